import math

import pytest
import torch

from roi_saliency import SmoothMask, gaussian_kernel, pool_mask


def test_gaussian_kernel_by_hand():
    # exp(-1 / (2 * 1^2)) = 0.606531; the nine samples sum to (1 + 2 * 0.606531)^2 = 4.897640.
    kernel = gaussian_kernel(3, sigma=1.0)
    assert kernel[1, 1].item() == pytest.approx(1 / 4.897640, abs=1e-6)
    assert kernel[0, 1].item() == pytest.approx(0.606531 / 4.897640, abs=1e-6)
    assert kernel[0, 0].item() == pytest.approx(0.367879 / 4.897640, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_saliency_gives_the_sigmoid_by_hand_up_to_the_border(value):
    # A unit-sum blur keeps a constant: M = 1 / (1 + exp(-(8 S - 4))).
    mask = SmoothMask()(torch.full((2, 1, 20, 33), value))
    expected = 1 / (1 + math.exp(-(8 * value - 4)))
    torch.testing.assert_close(mask, torch.full_like(mask, expected), atol=1e-5, rtol=0)


def test_wide_areas_reach_the_levels_of_the_specification():
    saliency = torch.zeros(1, 1, 64, 64)
    saliency[..., :, 32:] = 1.0
    mask = SmoothMask()(saliency)
    assert mask[..., 48:].min() > 0.95
    assert mask[..., :16].max() < 0.05
    row = mask[0, 0, 32]
    assert (row.diff() >= -1e-6).all()
    assert ((row > 0.1) & (row < 0.9)).sum() >= 4  # the step has become a slope


def test_images_smaller_than_the_kernel_work():
    assert SmoothMask()(torch.ones(1, 1, 1, 1)).item() > 0.95


def test_the_blur_starts_as_the_gaussian():
    torch.testing.assert_close(SmoothMask().blur(), gaussian_kernel(15, sigma=3.0))


def test_the_blur_learns():
    smooth = SmoothMask()
    saliency = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    smooth(saliency).square().sum().backward()
    assert smooth.log_blur.grad is not None
    assert smooth.log_blur.grad.abs().min() > 0


def test_wide_areas_keep_their_levels_whatever_the_blur_learns():
    """Trained towards a half, which Eqs. (12)-(13) weigh least, the mask still tells them apart."""
    smooth = SmoothMask()
    saliency = torch.zeros(1, 1, 64, 64)
    saliency[..., 32:] = 1.0
    before = smooth(saliency)
    optimizer = torch.optim.Adam(smooth.parameters(), lr=0.1)
    for _ in range(50):
        optimizer.zero_grad()
        (smooth(saliency) - 0.5).square().sum().backward()
        optimizer.step()
    after = smooth(saliency)
    assert (after - before).abs().max() > 0.05  # it did learn
    assert after[..., 48:].min() > 0.95
    assert after[..., :16].max() < 0.05


def test_smooth_mask_gradient_is_right():
    smooth = SmoothMask(kernel_size=3, sigma=1.0).double()
    saliency = torch.rand(1, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(smooth, saliency)


@pytest.mark.parametrize("kernel_size", [0, 4])
def test_even_kernels_are_refused(kernel_size):
    with pytest.raises(ValueError, match=f"odd kernel_size >= 1, got {kernel_size}"):
        SmoothMask(kernel_size=kernel_size)


def test_sigma_must_be_positive():
    with pytest.raises(ValueError, match="sigma > 0, got 0"):
        SmoothMask(sigma=0.0)


def test_pool_mask_by_hand():
    mask = torch.tensor([[0.0, 1.0, 0.5, 0.5], [1.0, 1.0, 0.5, 0.1]]).reshape(1, 1, 2, 4)
    expected = torch.tensor([[[[0.75, 0.4]]]])  # means of the two 2 x 2 squares
    torch.testing.assert_close(pool_mask(mask, stride=2), expected)


def test_pool_mask_defaults_to_sixteen():
    assert pool_mask(torch.ones(3, 1, 32, 48)).shape == (3, 1, 2, 3)


def test_pool_mask_states_the_sides_it_got():
    with pytest.raises(ValueError, match="multiples of 16, got 32 x 40"):
        pool_mask(torch.ones(1, 1, 32, 40))


@pytest.mark.parametrize("call", [SmoothMask(), pool_mask])
def test_three_channels_are_refused(call):
    with pytest.raises(ValueError, match=r"\(B, 1, H, W\), got \(1, 3, 16, 16\)"):
        call(torch.ones(1, 3, 16, 16))
