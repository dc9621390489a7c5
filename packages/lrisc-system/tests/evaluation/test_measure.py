import math

import pytest
import torch

from lrisc_system.evaluation.measure import EvaluationImage, MetricNetworks
from lrisc_system.metrics.grid import residual_by_phase
from lrisc_system.metrics.lpips import lpips_network
from lrisc_system.metrics.quality import evaluate_pair, round_to_8_bits
from lrisc_system.metrics.roi_consistency import roi_iou
from lrisc_system.metrics.vgg import VGGMetrics
from roi_saliency import BarrierDetector

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def networks(vgg_file):
    """AlexNet stands in for LPIPS on VGG16, which does not ship; the rest has random weights."""
    alex = lpips_network("alex")
    return MetricNetworks(alex, alex, VGGMetrics.load(vgg_file, device=CPU))


@pytest.fixture
def source(networks):
    generator = torch.Generator().manual_seed(0)
    image = round_to_8_bits(torch.rand(1, 3, 64, 96, generator=generator))
    mask = torch.rand(1, 1, 64, 96, generator=generator)
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


def test_structure_texture_and_region_are_those_of_the_pair(source, networks):
    received = round_to_8_bits(0.5 * source.image)
    got = source.measure(received)
    assert got.dists == networks.vgg_metrics.dists(source.image, received).item() > 0
    regions = [BarrierDetector()(image) for image in (source.image, received)]
    assert got.roi_iou == roi_iou(*regions).item()


def test_a_sample_holds_patterns_and_features_of_the_8_bit_image(source, networks):
    sample = source.sample(source.image + 0.2 / 255)
    assert list(sample.patterns) == [2, 4, 8, 16]
    expected = residual_by_phase(source.image, round_to_8_bits(source.image), period=8)
    assert all(map(torch.equal, sample.patterns[8], expected))
    assert sample.features.shape == (2, 1024)
    assert torch.equal(source.source_sample().features, networks.vgg_metrics.patches(source.image))


def test_an_image_without_a_period_has_no_pattern_of_it(networks):
    image = torch.rand(1, 3, 8, 64, generator=torch.Generator().manual_seed(0))
    small = EvaluationImage("small", image, image[:, :1], image[:, :1], networks=networks)
    sample = small.sample(image)
    assert list(sample.patterns) == [2, 4, 8]
    assert sample.features.shape == (0, 1024)


def test_equal_images_are_measured_once(source):
    received = round_to_8_bits(source.image * 0.5)
    first = source.measure(received)
    assert source.measure(received + 1e-6) is first  # the same in 8 bits
    assert source.measure(received + 0.01) is not first


def test_without_its_weights_vgg_is_nan(source, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    alone = MetricNetworks.load(None, device=CPU)
    assert alone.vgg is None
    assert alone.vgg_metrics is None
    source = EvaluationImage("noise", source.image, source.mask, source.mask, networks=alone)
    assert math.isnan(source.measure(source.image).lpips_vgg)
    assert math.isnan(source.measure(source.image).dists)
    assert source.measure(source.image).roi_iou == 1
    assert source.source_sample().features is None
    with pytest.raises(ValueError, match=r"nowhere\.pth"):
        MetricNetworks.load(tmp_path / "nowhere.pth", device=CPU)
