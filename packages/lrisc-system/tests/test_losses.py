import pytest
import torch

from lrisc_system.losses import (
    background_distortion,
    grid_distortion,
    rate_distortion,
    roi_distortion,
    sum_distances,
)

X = torch.full((2, 3, 4, 4), 0.5)
X_HAT = torch.full((2, 3, 4, 4), 0.3)
HALF = torch.full((2, 1, 4, 4), 0.5)


def zero(a, b):
    return torch.zeros(len(a))


def one(a, b):
    return torch.ones(len(a))


def test_roi_distortion_by_hand():
    # 0.5 * (0.5 - 0.3) = 0.1 everywhere, squared
    assert torch.allclose(roi_distortion(X, X_HAT, HALF), torch.tensor([0.01, 0.01]))


def test_background_distortion_by_hand():
    quarter = torch.full((2, 1, 4, 4), 0.25)
    value = background_distortion(X, X_HAT, quarter, perceptual=one, lambda_perceptual=0.5)
    # (0.75 * 0.2)^2 + 0.5 * 1
    assert torch.allclose(value, torch.tensor([0.5225, 0.5225]))


def test_the_mask_decides_which_side_an_error_counts_on():
    full = torch.ones(2, 1, 4, 4)
    assert background_distortion(X, X_HAT, full, perceptual=zero).abs().max() == 0
    assert roi_distortion(X, X_HAT, torch.zeros(2, 1, 4, 4)).abs().max() == 0
    assert torch.allclose(roi_distortion(X, X_HAT, full), torch.tensor(0.04))


def test_the_perceptual_distance_sees_only_the_background():
    seen = []

    def record(a, b):
        seen.append((a, b))
        return torch.zeros(len(a))

    background_distortion(X, X_HAT, HALF, perceptual=record)
    assert torch.equal(seen[0][0], 0.5 * X)
    assert torch.equal(seen[0][1], 0.5 * X_HAT)


def test_distances_add():
    assert torch.equal(sum_distances([one])(X, X_HAT), torch.ones(2))
    assert torch.equal(sum_distances([one, zero, one])(X, X_HAT), torch.full((2,), 2.0))


def test_each_image_has_a_value_of_its_own():
    x_hat = torch.cat([X[:1], X_HAT[1:]])
    value = roi_distortion(X, x_hat, HALF)
    assert value[0] == 0
    assert value[1] == pytest.approx(0.01)


def test_rate_distortion_by_hand():
    rate, distortion = torch.tensor([0.02, 0.04]), torch.tensor([0.1, 0.3])
    # 0.5 * 0.03 + 0.2
    assert rate_distortion(rate, distortion, lambda_rate=0.5) == pytest.approx(0.215)


def test_gradients_reach_the_received_image():
    x_hat = X_HAT.clone().double().requires_grad_()
    mask = HALF.double()

    def loss(x_hat):
        return roi_distortion(X.double(), x_hat, mask)

    assert torch.autograd.gradcheck(loss, x_hat)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="one shape"):
        roi_distortion(X, X_HAT[..., :2], torch.ones(2, 1, 1, 1))


def test_grid_distortion_by_hand():
    """Half of the image is flat; there a pattern of +-1 at alternate pixels: 1/2 x 1."""
    x = torch.full((1, 3, 32, 64), 0.5, dtype=torch.float64)
    noisy = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.5
    x[..., :32] = noisy.expand(-1, 3, -1, -1)
    sign = torch.ones(64, dtype=torch.float64)
    sign[1::2] = -1
    value = grid_distortion(x, x + sign / 255, period=16).item() * 255**2
    assert value == pytest.approx(0.5, abs=0.06)  # the border of the flat half, 3 pixels wide
