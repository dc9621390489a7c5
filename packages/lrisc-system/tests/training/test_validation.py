import math

import pytest
import torch

from lrisc_system.data.images import load_image, save_image
from lrisc_system.link import Arrival
from lrisc_system.losses import mean_squared_error
from lrisc_system.metrics.feature_distances import kernel_distance
from lrisc_system.metrics.grid import grid_amplitude
from lrisc_system.metrics.quality import round_to_8_bits
from lrisc_system.metrics.roi_consistency import roi_iou
from lrisc_system.metrics.vgg import VGGMetrics
from lrisc_system.training.validation import centre_crop, describe_validation, validate


class Noisy:
    """Adds noise of the channel's SNR, where it is salient; takes a tenth of the symbols."""

    def transmit(self, image, snr_db, *, cbr, saliency, generator):
        assert cbr is None
        noise = torch.randn(image.shape, generator=generator) * 10 ** (-snr_db / 20)
        return Arrival((image + saliency * noise).clamp(0, 1), 0.1)


def everywhere(image):
    return torch.ones_like(image[:, :1])


def nowhere(image):
    return torch.zeros_like(image[:, :1])


def measure(photos, **options):
    defaults = {
        "detector": everywhere,
        "perceptual": mean_squared_error,
        "size": 48,
        "skipped": lambda lines: None,
    }
    options = defaults | {"masks": None} | options
    return validate(Noisy(), photos, device=torch.device("cpu"), **options)


@pytest.fixture
def photos(tmp_path):
    paths = [tmp_path / f"photo{index}.png" for index in range(2)]
    for index, path in enumerate(paths):
        save_image(torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(index)), path)
    return paths


def test_validation_averages_over_the_photos(photos):
    both = measure(photos)
    first, second = (measure([path], seed=index) for index, path in enumerate(photos))
    assert both.psnr == pytest.approx((first.psnr + second.psnr) / 2, abs=1e-4)
    assert both.lpips == pytest.approx((first.lpips + second.lpips) / 2, abs=1e-6)
    assert both.cbr == pytest.approx(0.1)
    assert [image.shape for image in both.images] == [(1, 3, 48, 48)] * 2
    assert both.grid().shape == (1, 3, 96, 96)


def test_photos_that_cannot_be_read_are_left_out_and_named(photos):
    both = measure(photos)
    photos.insert(1, photos[0].with_name("gone.png"))
    seen = []
    some = measure(photos, skipped=seen.extend)
    assert len(some.images) == len(both.images)
    assert seen == [f"{photos[1]}: no such file"]
    assert measure(photos[1:2], skipped=seen.extend) is None


def test_the_detector_finds_what_no_mask_tells(photos):
    assert measure(photos, detector=nowhere).psnr == float("inf")


def received(photo, *, seed):
    image = load_image(photo)[..., 8:56]
    noise = torch.Generator().manual_seed(seed)
    saliency = torch.ones_like(image[:, :1])
    arrived = Noisy().transmit(image, 10.0, cbr=None, saliency=saliency, generator=noise).image
    return image, round_to_8_bits(arrived)


def test_the_grid_is_that_of_all_photos_as_one_set(tmp_path):
    paths = [tmp_path / f"flat{index}.png" for index in range(2)]
    for index, path in enumerate(paths):
        save_image(torch.full((3, 48, 64), 0.25 + 0.5 * index), path)
    pairs = [received(path, seed=index) for index, path in enumerate(paths)]
    x, x_hat = (torch.cat(each) for each in zip(*pairs, strict=True))
    found = measure(paths)
    for period in (2, 4, 8, 16):
        expected = grid_amplitude(x, x_hat, period=period).item()
        assert getattr(found, f"grid_{period}") == pytest.approx(expected, rel=1e-4)


def test_without_flat_areas_or_vgg16_a_figure_is_left_out(photos):
    figures = measure(photos).figures()
    assert figures.keys() == {"snr_db", "cbr", "psnr", "lpips", "roi_iou"}
    assert figures["roi_iou"] == 1  # everything is salient in both


def test_the_region_is_compared_by_the_detector(photos):
    def bright(image):
        return (image.mean(dim=1, keepdim=True) > 0.5).float()

    found = measure(photos[:1], detector=bright)
    regions = (bright(image) for image in (found.sources[0], found.images[0]))
    assert found.roi_iou == pytest.approx(roi_iou(*regions).item())
    assert 0 < found.roi_iou < 1


def test_vgg16_adds_dists_and_kid(tmp_path, vgg_file):
    metrics = VGGMetrics.load(vgg_file, device=torch.device("cpu"))
    path = tmp_path / "wide.png"
    save_image(torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0)), path)
    found = measure([path], vgg_metrics=metrics, size=96)
    x, x_hat = load_image(path), found.images[0]
    assert found.dists == pytest.approx(metrics.dists(x, x_hat).item())
    kid = kernel_distance(metrics.patches(x), metrics.patches(x_hat))
    assert found.kid_vgg == pytest.approx(kid, rel=1e-4)
    text = describe_validation(found.figures())
    assert f"DISTS {found.dists:.3f}, KID-VGG {found.kid_vgg:.3f} at CBR 0.1000, 10 dB" in text
    assert math.isnan(measure([path], vgg_metrics=metrics, size=48).kid_vgg)


def test_a_validation_is_one_line_of_text():
    figures = {"snr_db": 10.0, "cbr": 0.02, "psnr": 26.283, "lpips": 0.1671, "grid_16": 0.923}
    assert describe_validation(figures) == ("26.28 dB, LPIPS 0.167, grid 0.92 at CBR 0.0200, 10 dB")


def test_the_centre_crop_by_hand():
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert centre_crop(image, size=2).flatten().tolist() == [1, 2, 5, 6]
    assert centre_crop(image, size=9).shape == image.shape
