import json

import pytest
import torch
from safetensors.torch import save_file

from roi_saliency import GCPANet, GCPANetConfig, saliency_loss

TINY = GCPANetConfig(backbone="mobilenetv3_small_050", width=8, input_size=64)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return GCPANet(TINY).eval()


def test_shapes_and_range_at_any_size(network):
    for size in [(1, 1), (40, 72)]:
        with torch.no_grad():
            saliency = network(torch.rand(2, 3, *size))
        assert saliency.shape == (2, 1, *size)
        assert saliency.min() >= 0
        assert saliency.max() <= 1


def test_logits_come_from_four_stages(network):
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        logits = network.logits(image)
        assert len(logits.auxiliary) == 3
        assert all(coarse.shape == (1, 1, 64, 64) for coarse in logits.auxiliary)
        torch.testing.assert_close(network(image), torch.sigmoid(logits.final))


def test_neighbours_in_the_batch_do_not_matter(network):
    images = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(images)[1:2], network(images[1:2]), atol=1e-5, rtol=1e-5)


def test_a_few_steps_lower_the_loss_and_reach_every_parameter():
    torch.manual_seed(0)
    network = GCPANet(TINY).train()
    generator = torch.Generator().manual_seed(0)
    target = torch.zeros(4, 1, 64, 64)
    target[..., 16:48, 16:48] = 1.0
    image = 0.3 * torch.rand(4, 3, 64, 64, generator=generator) + 0.6 * target
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = saliency_loss(network.logits(image), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    unreached = [n for n, p in network.named_parameters() if p.grad is None]
    assert unreached == []


def test_a_saved_network_comes_back(network, tmp_path):
    network.save(tmp_path / "net.safetensors")
    loaded = GCPANet.load(tmp_path / "net.safetensors")
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(image), network(image))
    assert loaded.config == TINY
    assert not loaded.training


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(ValueError, match=r"expected a GCPANet file, got none at"):
        GCPANet.load(path)
    path.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=r"expected a GCPANet file, got .*: SafetensorError"):
        GCPANet.load(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"expected a GCPANet file, got .*: KeyError"):
        GCPANet.load(path)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="timm model, got 'no_such_net'"):
        GCPANet(GCPANetConfig(backbone="no_such_net"))
    with pytest.raises(ValueError, match="width >= 1, got 0"):
        GCPANetConfig(width=0)
    with pytest.raises(ValueError, match=r"input_size in \[32, 4096\], got 16"):
        GCPANetConfig(input_size=16)


def test_other_shapes_are_refused(network):
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\), got \(1, 1, 64, 64\)"):
        network(torch.zeros(1, 1, 64, 64))


@pytest.mark.parametrize(
    "change",
    [
        {"width": 10**6},
        {"width": "4"},
        {"backbone": "vit_giant_patch14_dinov2"},
        {"input_size": 10**9},
    ],
)
def test_a_file_cannot_ask_for_a_larger_network(tmp_path, change):
    from dataclasses import asdict

    from safetensors.torch import load_file, save_file

    config = GCPANetConfig(backbone="resnet18", width=4, input_size=32)
    GCPANet(config).save(tmp_path / "a.safetensors")
    tensors = load_file(tmp_path / "a.safetensors")
    text = json.dumps(asdict(config) | change)
    save_file(tensors, tmp_path / "b.safetensors", metadata={"config": text})
    with pytest.raises(ValueError, match=r"^expected"):
        GCPANet.load(tmp_path / "b.safetensors")
    tensors["predictors.0.bias"] *= torch.nan
    save_file(tensors, tmp_path / "c.safetensors", metadata={"config": json.dumps(asdict(config))})
    with pytest.raises(ValueError, match="expected finite weights"):
        GCPANet.load(tmp_path / "c.safetensors")
