import math

import pytest
import torch
from torch import nn

from lrisc_system.evaluation.measure import EvaluationImage, MetricNetworks, RememberingBackbone
from lrisc_system.metrics.lpips import lpips_network
from lrisc_system.metrics.quality import evaluate_pair, round_to_8_bits

CPU = torch.device("cpu")


class Counting(nn.Module):
    """Doubles, and counts how often."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, image):
        self.calls += 1
        return 2 * image


def test_the_last_inputs_are_remembered():
    network = Counting()
    backbone = RememberingBackbone(network, kept=2)
    one, two, three = (torch.full((1, 3, 2, 2), float(value)) for value in (1, 2, 3))
    for image in (one, two, one, three, one):  # two is the older one when three comes
        assert torch.equal(backbone(image.clone()), 2 * image)
    assert network.calls == 3
    backbone(two)
    assert network.calls == 4


@pytest.fixture(scope="module")
def networks():
    """AlexNet stands in for VGG16, which does not ship."""
    return MetricNetworks(MetricNetworks.load(None, device=CPU).alex, lpips_network("alex"))


@pytest.fixture
def source(networks):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 48, 64, generator=generator)
    mask = torch.rand(1, 1, 48, 64, generator=generator)
    return EvaluationImage("noise", image, mask, mask, networks=networks)


def test_the_figures_are_those_of_the_pair(source):
    for seed in range(2):
        noise = torch.randn(source.image.shape, generator=torch.Generator().manual_seed(seed))
        received = (source.image + 0.1 * noise).clamp(0, 1)
        expected = evaluate_pair(source.image, received, mask=source.mask)
        got = source.measure(received)
        assert got.psnr == expected.psnr
        assert got.lpips_alex == pytest.approx(expected.lpips, abs=1e-6)
        assert got.lpips_vgg == pytest.approx(expected.lpips, abs=1e-6)
        assert got.roi_psnr == expected.roi_psnr
        assert got.background_psnr == expected.background_psnr
        assert got.roi_lpips_alex == pytest.approx(expected.roi_lpips, abs=1e-6)
        assert got.background_lpips_alex == pytest.approx(expected.background_lpips, abs=1e-6)


def test_equal_images_are_measured_once(source):
    received = round_to_8_bits(source.image * 0.5)
    first = source.measure(received)
    assert source.measure(received + 1e-6) is first  # the same in 8 bits
    assert source.measure(received + 0.01) is not first


def test_without_its_weights_vgg_is_nan(source, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    alone = MetricNetworks.load(None, device=CPU)
    assert alone.vgg is None
    source = EvaluationImage("noise", source.image, source.mask, source.mask, networks=alone)
    assert math.isnan(source.measure(source.image).lpips_vgg)
    with pytest.raises(ValueError, match=r"nowhere\.pth"):
        MetricNetworks.load(tmp_path / "nowhere.pth", device=CPU)
