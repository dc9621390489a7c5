import pytest
import torch

from lrisc_system.losses import mean_squared_error
from lrisc_system.metrics.multiscale import multiscale


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def look(x, x_hat, *, largest, calls=1):
    """What the network sees in so many calls."""
    seen = []

    def remember(x, x_hat):
        seen.append((x, x_hat))
        return torch.zeros(len(x))

    distance = multiscale(remember, largest=largest, generator=seeded())
    for _ in range(calls):
        distance(x, x_hat)
    return seen


def test_without_magnification_the_images_are_seen_as_they_are():
    x, x_hat = torch.rand(2, 3, 8, 6, generator=seeded()), torch.rand(2, 3, 8, 6)
    for seen, seen_hat in look(x, x_hat, largest=1, calls=3):
        assert torch.equal(seen, x)
        assert torch.equal(seen_hat, x_hat)


def test_every_magnification_shows_as_many_pixels_and_is_drawn_as_often():
    """On a ramp of one grey level a pixel, m times larger means 1/m a pixel."""
    ramp = torch.arange(24.0).expand(2, 3, 12, 24)
    calls = look(ramp, ramp, largest=3, calls=3000)
    assert all(seen.shape == ramp.shape for seen, _ in calls)
    slopes = torch.tensor([(seen[0, 0, 0, 12] - seen[0, 0, 0, 11]).item() for seen, _ in calls])
    for times in (1, 2, 3):
        share = (slopes - 1 / times).abs().lt(1e-4).float().mean().item()
        assert share == pytest.approx(1 / 3, abs=0.04)


def test_both_images_of_a_pair_are_cut_alike_and_pairs_are_not():
    x = torch.rand(2, 3, 32, 32, generator=seeded())
    x[1] = x[0]
    enlarged = [pair for pair in look(x, x + 0.5, largest=2, calls=8) if pair[0].ne(x).any()]
    assert enlarged
    for seen, seen_hat in enlarged:
        torch.testing.assert_close(seen_hat, seen + 0.5)
    assert any(not torch.equal(seen[0], seen[1]) for seen, _ in enlarged)


def test_over_many_draws_every_pixel_gets_a_gradient():
    x, x_hat = torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8, requires_grad=True)
    distance = multiscale(mean_squared_error, largest=4, generator=seeded())
    torch.stack([distance(x, x_hat).sum() for _ in range(100)]).sum().backward()
    assert bool((x_hat.grad != 0).all())


def test_a_magnification_below_one_is_refused():
    with pytest.raises(ValueError, match="magnification of at least 1, got 0"):
        multiscale(mean_squared_error, largest=0, generator=seeded())
