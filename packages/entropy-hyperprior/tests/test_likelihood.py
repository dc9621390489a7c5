import math

import pytest
import torch
from compressai.entropy_models import GaussianConditional

from entropy_hyperprior import bits, gaussian_uniform_likelihood
from entropy_hyperprior.likelihood import LIKELIHOOD_BOUND


def test_likelihood_at_the_mean_is_the_central_interval() -> None:
    # P(|N(0, 1)| < 1/2) = 2 Phi(0.5) - 1, Phi(0.5) = 0.6914624613 (standard table)
    p = gaussian_uniform_likelihood(torch.zeros(1), torch.zeros(1), torch.ones(1))
    assert p.item() == pytest.approx(2 * 0.6914624613 - 1, abs=1e-6)


def test_likelihood_one_scale_away() -> None:
    # Phi(1.5) - Phi(0.5) = 0.9331927987 - 0.6914624613
    p = gaussian_uniform_likelihood(torch.tensor([3.0]), torch.tensor([2.0]), torch.ones(1))
    assert p.item() == pytest.approx(0.9331927987 - 0.6914624613, abs=1e-6)


def test_equals_compressai() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, scale = 3 * torch.randn(2, 500, generator=generator)
    scale = scale.abs()  # some below the bound of 0.11
    y = mean + 5 * torch.randn(500, generator=generator)
    conditional = GaussianConditional(None)
    expected = conditional.likelihood_lower_bound(conditional._likelihood(y, scale, mean))
    actual = gaussian_uniform_likelihood(y, mean, scale)
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("scale", [0.11, 0.7, 3.0, 20.0])
@pytest.mark.parametrize("mean", [0.0, 0.37, -12.5])
def test_sums_to_one_over_the_integers(scale: float, mean: float) -> None:
    integers = torch.arange(-200, 201, dtype=torch.float64)
    p = gaussian_uniform_likelihood(integers, torch.tensor(mean), torch.tensor(scale))
    p = p - p.min() * (p <= LIKELIHOOD_BOUND)  # the lower bound is not probability
    assert p.sum().item() == pytest.approx(1.0, abs=1e-6)


def test_both_tails_keep_their_precision() -> None:
    # Phi(-4.5) - Phi(-5.5) = 3.3976731e-6 - 1.8989562e-8
    y = torch.tensor([-5.0, 5.0])
    p = gaussian_uniform_likelihood(y, torch.zeros(2), torch.ones(2))
    torch.testing.assert_close(p, torch.full((2,), 3.3786835e-6), rtol=1e-5, atol=0.0)


def test_far_away_stands_at_the_lower_bound() -> None:
    p = gaussian_uniform_likelihood(torch.tensor([1e6]), torch.zeros(1), torch.ones(1))
    assert p.item() == pytest.approx(1e-9)
    assert bits(p).item() == pytest.approx(9 * math.log2(10), rel=1e-6)


def test_bits_of_a_half() -> None:
    assert bits(torch.tensor([0.5, 0.125])).tolist() == [1.0, 3.0]


def test_gradients_are_exact() -> None:
    generator = torch.Generator().manual_seed(0)
    y, mean = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    scale = 0.5 + torch.rand(6, generator=generator, dtype=torch.float64)
    inputs = [x.requires_grad_() for x in (y, mean, scale)]
    assert torch.autograd.gradcheck(gaussian_uniform_likelihood, inputs)


def test_a_scale_below_its_bound_can_climb_back() -> None:
    scale = torch.tensor([0.01], requires_grad=True)
    p = gaussian_uniform_likelihood(torch.tensor([1.0]), torch.zeros(1), scale)
    bits(p).sum().backward()
    assert scale.grad is not None
    assert scale.grad.item() < 0  # a wider prior makes this value cheaper


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_the_lower_bound(dtype: torch.dtype) -> None:
    # 1e-9 is 0 in float16, and -log2(0) is infinite; -log2(1e-9) = 29.9 bits.
    y = torch.tensor([0.0, 100.0], dtype=dtype)
    likelihood = gaussian_uniform_likelihood(y, torch.zeros_like(y), torch.ones_like(y))
    assert likelihood.dtype == torch.float32
    torch.testing.assert_close(bits(likelihood), torch.tensor([1.3849, 29.897]), rtol=1e-3, atol=0)
