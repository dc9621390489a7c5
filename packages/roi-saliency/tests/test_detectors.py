import pytest
import torch

from roi_saliency import BarrierDetector, SpectralResidualDetector

DETECTORS = [BarrierDetector(), SpectralResidualDetector()]


def red_square_on_green(*, height=96, width=128):
    generator = torch.Generator().manual_seed(0)
    image = torch.tensor([0.2, 0.5, 0.2])[:, None, None].repeat(1, height, width)
    image[:, height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = torch.tensor(
        [0.8, 0.2, 0.1]
    )[:, None, None]
    return (image + 0.02 * torch.randn(image.shape, generator=generator)).clamp(0, 1)[None]


def test_the_default_finds_the_object():
    saliency = BarrierDetector()(red_square_on_green())
    assert saliency[..., 36:60, 48:80].min() > 0.95
    assert saliency[..., :24, :].max() < 0.05
    assert saliency[..., :, :32].max() < 0.05


def test_the_default_finds_the_object_off_centre():
    image = torch.roll(red_square_on_green(), (20, 30), (-2, -1))
    saliency = BarrierDetector()(image)
    assert saliency[..., 56:80, 78:110].mean() > 0.8
    assert saliency[..., :40, :60].max() < 0.05


def test_spectral_residual_prefers_the_object():
    image = torch.full((1, 3, 64, 64), 0.5)
    image[..., 20:24, 40:44] = 1.0
    saliency = SpectralResidualDetector()(image)
    row, column = divmod(int(saliency.flatten().argmax()), 64)
    assert 17 <= row <= 26
    assert 37 <= column <= 46


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_flat_image_has_nothing_salient(detector):
    assert detector(torch.full((1, 3, 40, 40), 0.3)).max() < 0.05


def test_faint_noise_is_not_stretched_to_an_object():
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert BarrierDetector()(0.5 + (noise - 0.5) / 128).max() < 0.1


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 33), (200, 70)])
def test_any_size_gives_a_map_of_that_size_in_range(detector, size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    saliency = detector(image)
    assert saliency.shape == (2, 1, *size)
    assert saliency.dtype == torch.float32
    assert saliency.min() >= 0
    assert saliency.max() <= 1


@pytest.mark.parametrize("detector", DETECTORS)
def test_neighbours_in_the_batch_do_not_matter(detector):
    image = red_square_on_green()
    generator = torch.Generator().manual_seed(2)
    others = torch.rand(3, *image.shape[1:], generator=generator)
    together = detector(torch.cat([others[:2], image, others[2:]]))
    torch.testing.assert_close(together[2:3], detector(image), atol=1e-6, rtol=0)


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (0, 3, 8, 8)])
def test_other_shapes_are_refused(detector, shape):
    message = rf"\(B, 3, H, W\), got \({', '.join(map(str, shape))}\)"
    with pytest.raises(ValueError, match=message):
        detector(torch.zeros(shape))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: BarrierDetector(grid=4), "grid >= 8, got 4"),
        (lambda: BarrierDetector(strip=25), r"strip in \[1, 24\], got 25"),
        (lambda: BarrierDetector(centre_sigma=0.0), "centre_sigma > 0, got 0"),
        (lambda: BarrierDetector(slope=-1.0), "slope > 0, got -1"),
        (lambda: BarrierDetector(midpoint=1.0), r"midpoint in \(0, 1\), got 1"),
        (lambda: SpectralResidualDetector(grid=4), "grid >= 8, got 4"),
        (lambda: SpectralResidualDetector(sigma=0.0), "sigma > 0, got 0"),
    ],
)
def test_configs_are_checked(build, message):
    with pytest.raises(ValueError, match=message):
        build()
