import pytest
import torch

from lrisc_system.metrics.vgg import VGGMetrics

CPU = torch.device("cpu")


def test_both_metrics_share_the_weights(vgg_file):
    metrics = VGGMetrics.load(vgg_file, device=CPU)
    first = metrics.dists.backbone.stages[0][0].weight
    assert first is metrics.patches.lower[0].weight


def test_the_cache_may_have_none_but_a_named_file_must_be_there(monkeypatch, tmp_path, vgg_file):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert VGGMetrics.load(None, device=CPU) is None
    with pytest.raises(ValueError, match=r"gone\.pth: expected a file of backbone weights"):
        VGGMetrics.load(tmp_path / "gone.pth", device=CPU)
    cached = tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="cannot read it"):
        VGGMetrics.load(None, device=CPU)
