import pytest
import torch

from lrisc_system.losses import mean_squared_error
from lrisc_system.window import through_window


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_squares_lie_in_the_same_place_of_both_images():
    seen = []

    def remember(x, x_hat):
        seen.append((x, x_hat))
        return torch.zeros(len(x))

    x = torch.arange(2 * 3 * 8 * 10.0).view(2, 3, 8, 10)
    through_window(remember, side=4, generator=seeded())(x, x + 0.5)
    (square, square_hat), *_ = seen
    assert square.shape == (2, 3, 4, 4)
    assert torch.equal(square_hat, square + 0.5)
    # Two images, two places: those of the seed.
    assert not torch.equal(square[0], square[1] - 3 * 8 * 10)


def test_over_many_draws_it_sees_the_whole_image():
    """One pixel of 64 differs by 1: a window of 4 x 4 finds it in 16 of its 25 places at most."""
    x, x_hat = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    x_hat[..., 4, 4] = 1.0
    distance = through_window(mean_squared_error, side=4, generator=seeded())
    found = torch.stack([distance(x, x_hat) for _ in range(4000)])
    assert set(found.unique().tolist()) == {0.0, 1 / 16}
    assert found.mean().item() == pytest.approx(16 / 25 / 16, rel=0.05)


def test_an_image_within_the_window_is_seen_whole():
    x, x_hat = torch.rand(2, 3, 8, 6, generator=seeded()), torch.rand(2, 3, 8, 6)
    distance = through_window(mean_squared_error, side=8, generator=seeded())
    assert torch.equal(distance(x, x_hat), mean_squared_error(x, x_hat))


def test_gradients_stay_inside_the_window():
    x, x_hat = torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8, requires_grad=True)
    through_window(mean_squared_error, side=2, generator=seeded())(x, x_hat).sum().backward()
    assert int((x_hat.grad != 0).sum()) == 3 * 2 * 2


def test_a_window_without_pixels_is_refused():
    with pytest.raises(ValueError, match="window of at least one pixel, got 0"):
        through_window(mean_squared_error, side=0, generator=seeded())
