import math

import pytest
import torch

from lrisc_system.metrics.quality import (
    Metrics,
    evaluate_pair,
    lpips_network,
    masked_psnr,
    ms_ssim,
    psnr,
    round_to_8_bits,
)


def noisy(height, width, *, deviation=0.05, batch=1):
    generator = torch.Generator().manual_seed(5)
    x = (torch.rand(batch, 3, height, width, generator=generator) * 255).round() / 255
    return x, (x + deviation * torch.randn(x.shape, generator=generator)).clamp(0, 1)


def test_psnr_by_hand():
    x = torch.zeros(2, 3, 4, 4)
    x_hat = torch.stack([torch.full((3, 4, 4), 51 / 255), torch.zeros(3, 4, 4)])
    x_hat[1, 0, 0, 0] = 1.0
    # 0.2^2 = 0.04 -> 13.979 dB; one sample of 48 wrong by 1 -> 10 log10(48) = 16.812 dB
    torch.testing.assert_close(psnr(x, x_hat), torch.tensor([13.9794, 16.8124]))


def test_psnr_is_of_the_8_bit_image():
    x = torch.full((1, 3, 2, 2), 100 / 255)
    assert psnr(x, x + 0.4 / 255).item() == math.inf
    torch.testing.assert_close(
        psnr(x, x + 0.6 / 255).item(), 20 * math.log10(255), atol=1e-4, rtol=0
    )
    assert psnr(torch.ones(1, 3, 2, 2), torch.full((1, 3, 2, 2), 1.7)).item() == math.inf


def test_rounding_is_to_bytes():
    values = torch.tensor([-1.0, 0.49 / 255, 0.51 / 255, 2.0])
    assert (round_to_8_bits(values) * 255).tolist() == [0, 0, 1, 255]


def test_masked_psnr_by_hand():
    x = torch.zeros(1, 3, 1, 2)
    x_hat = torch.tensor([0.2, 0.6]).expand(1, 3, 1, 2)
    left = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2)
    mixed = torch.tensor([0.75, 0.25]).reshape(1, 1, 1, 2)
    # left alone: 0.04 -> 13.979 dB; mixed: 0.75 * 0.04 + 0.25 * 0.36 = 0.12 -> 9.208 dB
    assert masked_psnr(x, x_hat, left).item() == pytest.approx(13.9794, abs=1e-3)
    assert masked_psnr(x, x_hat, mixed).item() == pytest.approx(9.2082, abs=1e-3)
    # the weight's own scale does not matter; no weight, no figure
    assert masked_psnr(x, x_hat, 0.1 * left).item() == pytest.approx(13.9794, abs=1e-3)
    assert math.isnan(masked_psnr(x, x_hat, 0 * left).item())


def test_ms_ssim_of_constant_images_by_hand():
    """Constant images: contrast and structure are 1, so only the coarsest luminance counts.

    Sides of 16 times an odd number halve four times without padding.
    Wang et al. 2003: l = (2 a b + C1) / (a^2 + b^2 + C1), C1 = 0.01^2, to the power 0.1333.
    """
    x, x_hat = torch.full((1, 3, 176, 208), 0.2), torch.full((1, 3, 176, 208), 0.6)
    expected = ((2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4)) ** 0.1333
    assert ms_ssim(x, x_hat).item() == pytest.approx(expected, abs=1e-4)


def test_ms_ssim_limits():
    x, x_hat = noisy(161, 170, batch=2)
    torch.testing.assert_close(ms_ssim(x, x), torch.ones(2))
    worse = ms_ssim(x, x + 3 * (x_hat - x))
    assert ((worse < ms_ssim(x, x_hat)) & (ms_ssim(x, x_hat) < 1)).all()
    small = ms_ssim(*noisy(160, 300, batch=2))
    assert small.isnan().tolist() == [True, True]


def test_evaluate_pair_agrees_with_its_parts():
    x, x_hat = noisy(176, 176)
    alex = lpips_network("alex")
    rounded = round_to_8_bits(x_hat)
    metrics = evaluate_pair(x, x_hat)
    assert metrics.psnr == psnr(x, x_hat).item()
    assert metrics.ms_ssim == ms_ssim(x, rounded).item()
    assert metrics.lpips == alex(x, rounded).item()
    assert math.isnan(metrics.roi_psnr)
    assert math.isnan(metrics.background_lpips)


def test_roi_and_background_see_their_own_errors():
    x, x_hat = noisy(176, 176)
    mask = torch.zeros(1, 1, 176, 176)
    mask[..., :88] = 1.0
    x_hat[..., :88] = x[..., :88]  # only the background is wrong
    metrics = evaluate_pair(x, x_hat, mask=mask)
    assert (metrics.roi_psnr, metrics.roi_lpips) == (math.inf, 0.0)
    assert metrics.roi_ms_ssim == pytest.approx(1.0)
    # half the area carries all the error: 3.01 dB below the whole
    assert metrics.psnr - metrics.background_psnr == pytest.approx(10 * math.log10(2), abs=1e-4)
    assert metrics.background_lpips > 0
    assert metrics.background_ms_ssim < 1


def test_a_full_mask_is_the_whole_image():
    x, x_hat = noisy(40, 40)
    metrics = evaluate_pair(x, x_hat, mask=torch.ones(1, 1, 40, 40))
    assert metrics.roi_psnr == metrics.psnr
    assert metrics.roi_lpips == metrics.lpips
    assert math.isnan(metrics.background_psnr)
    assert metrics.background_lpips == 0


def test_another_network_can_be_injected():
    class One(torch.nn.Module):
        def forward(self, x, x_hat):
            return torch.ones(len(x))

    assert evaluate_pair(*noisy(20, 20), perceptual=One()).lpips == 1.0


def test_one_pixel_has_figures():
    metrics = evaluate_pair(torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1))
    assert metrics.psnr == 0
    assert metrics.lpips > 0
    assert math.isnan(metrics.ms_ssim)


def test_metrics_need_no_mask_figures():
    assert math.isnan(Metrics(30.0, 0.9, 0.1).roi_ms_ssim)


@pytest.mark.parametrize("measure", [psnr, ms_ssim])
def test_shapes_are_checked(measure):
    with pytest.raises(
        ValueError, match=r"expected two images .* got \(1, 3, 8, 8\) and \(1, 3, 8"
    ):
        measure(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))


def test_masks_and_batches_are_checked():
    x = torch.zeros(1, 3, 8, 8)
    with pytest.raises(ValueError, match=r"expected a weight \(1, 1, 8, 8\), got \(1, 1, 4, 4\)"):
        evaluate_pair(x, x, mask=torch.ones(1, 1, 4, 4))
    with pytest.raises(ValueError, match="expected one image"):
        evaluate_pair(x.expand(2, 3, 8, 8), x.expand(2, 3, 8, 8))
