import math

import pytest
import torch

from entropy_hyperprior.bottleneck import SideBottleneck
from entropy_hyperprior.likelihood import bits


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_zero_costs_what_the_logistic_says() -> None:
    # p(0) = F(0.5 / s) - F(-0.5 / s) of a logistic of scale s = 0.1, that is 0.0194 bits
    likelihood = SideBottleneck(4, spread=0.1).likelihood(torch.zeros(1, 4, 2, 2))
    expected = logistic(5.0) - logistic(-5.0)
    torch.testing.assert_close(likelihood, torch.full((1, 4, 2, 2), expected))
    assert bits(likelihood).max().item() == pytest.approx(0.0194, abs=1e-4)


def test_likelihood_equals_compressais_forward() -> None:
    bottleneck = SideBottleneck(4, spread=2.0).eval()
    z = 3 * torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    z_hat, expected = bottleneck(z)
    assert torch.equal(bottleneck.round(z), z_hat)
    torch.testing.assert_close(bottleneck.likelihood(z_hat), expected)


def test_decode_returns_the_rounded_latent() -> None:
    bottleneck = SideBottleneck(4, spread=2.0)
    bottleneck.update(force=True, update_quantiles=True)
    z = 3 * torch.randn(1, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    (string,) = bottleneck.compress(z)
    assert torch.equal(bottleneck.decode(string, size=(3, 5)), bottleneck.round(z))


def test_tables_load_before_and_after_they_are_built() -> None:
    old, new = SideBottleneck(4, spread=2.0), SideBottleneck(4, spread=0.1)
    new.update(force=True, update_quantiles=True)
    old.load_state_dict(new.state_dict())
    assert old.has_tables
    assert torch.equal(old.quantized_cdf, new.quantized_cdf)
    old.load_state_dict(SideBottleneck(4, spread=0.1).state_dict())
    assert not old.has_tables
