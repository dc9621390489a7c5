import pytest
import torch

from lrisc_system.data.images import save_image
from lrisc_system.link import Arrival
from lrisc_system.losses import mean_squared_error
from lrisc_system.training.validation import centre_crop, validate


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
    return validate(Noisy(), photos, None, device=torch.device("cpu"), **(defaults | options))


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


def test_the_centre_crop_by_hand():
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert centre_crop(image, size=2).flatten().tolist() == [1, 2, 5, 6]
    assert centre_crop(image, size=9).shape == image.shape
