"""Scaling every Gaussian draw of a foreign link."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from snr_modulation.scaled_noise import ScaledNoise, scale_about

X = torch.linspace(0, 1, 40)
DRAWS: list[tuple[Callable[[], Tensor], Tensor | float]] = [
    (lambda: torch.randn(40), 0.0),
    (lambda: torch.randn(40, dtype=torch.complex64), 0.0),
    (lambda: torch.randn(40, generator=torch.Generator().manual_seed(3)), 0.0),
    (lambda: torch.randn_like(X), 0.0),
    (lambda: torch.normal(2.0, 0.5, (40,)), 2.0),
    (lambda: torch.normal(mean=X, std=torch.full_like(X, 0.5)), X),
    (lambda: torch.empty(40).normal_(), 0.0),
    (lambda: torch.empty(40).normal_(3.0, 0.5), 3.0),
    (lambda: torch.empty(40).normal_(mean=3.0), 3.0),
    (lambda: torch.distributions.Normal(X, 0.5).sample(), X),
]


@pytest.mark.parametrize(("draw", "mean"), DRAWS)
def test_every_kind_of_draw(draw: Callable[[], Tensor], mean: Tensor | float) -> None:
    torch.manual_seed(0)
    plain = draw()
    torch.manual_seed(0)
    with ScaledNoise(2.5) as noise:
        scaled = draw()
    assert noise.draws == 1
    torch.testing.assert_close(scaled, mean + 2.5 * (plain - mean))


def test_other_draws_and_other_times_are_left_alone() -> None:
    with ScaledNoise(0.0) as noise:
        assert torch.rand(10).any()
        assert torch.randperm(10).any()
    assert noise.draws == 0
    assert torch.randn(10).any()


def test_scale_about_by_hand() -> None:
    # 5 lies 3 above the mean 2; twice as far is 8.
    out = scale_about(torch.tensor([5.0, 2.0]), mean=2.0, factor=2.0)
    assert out.tolist() == [8.0, 2.0]
