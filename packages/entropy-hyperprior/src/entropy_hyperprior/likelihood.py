"""The likelihood of a latent under its prior, Eq. (5), and its bits."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SCALE_BOUND = 0.11  # as in CompressAI: a narrower Gaussian falls on one integer in any case
LIKELIHOOD_BOUND = 1e-9  # as in CompressAI: an element has at most 29.9 bits


def lower_bound(x: Tensor, bound: float) -> Tensor:
    """Return ``max(x, bound)``, with a gradient that can still raise an x below the bound."""
    from entropy_hyperprior._compressai import LowerBoundFunction  # seconds: when it is needed

    return LowerBoundFunction.apply(x, x.new_tensor(bound))


def normal_cdf(x: Tensor) -> Tensor:
    """Distribution function of Normal(0, 1), by erfc: precise far into the left tail."""
    return 0.5 * torch.erfc(-x / math.sqrt(2.0))


def gaussian_uniform_likelihood(y: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Density of Normal(mean, scale^2) convolved with Uniform(-1/2, 1/2) at y, Eq. (5).

    At integers (or ``mean`` plus integers) it is the probability of that value. Both
    distribution functions are evaluated to the left of the mean, where float32 keeps its
    relative precision.

    Args:
        y: any shape.
        mean: broadcastable to y.
        scale: standard deviation, broadcastable to y; lower bound 0.11.

    Returns:
        Values in [1e-9, 1], in the shape of y; float32 or finer, for half precision has no 1e-9.

    Source: LRISC Eq. (5); Balle et al. 2018, "Variational image compression with a scale
    hyperprior".
    """
    y, mean, scale = (_at_least_float32(x) for x in (y, mean, scale))
    scale = lower_bound(scale, SCALE_BOUND)
    distance = (y - mean).abs()
    upper = normal_cdf((0.5 - distance) / scale)
    lower = normal_cdf((-0.5 - distance) / scale)
    return lower_bound(upper - lower, LIKELIHOOD_BOUND)


def bits(likelihood: Tensor) -> Tensor:
    """Information content in bits, ``-log2 p``, element by element; float32 or finer."""
    return -torch.log2(_at_least_float32(likelihood))


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
