"""Add two losses of one tensor so that the ratio of their gradients is chosen, not their values."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SMALLEST_NORM = 1e-12


class _Balance(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
        ctx.ratio = ratio
        return x.view_as(x), x.view_as(x)

    @staticmethod
    def backward(ctx: Any, first: Tensor, second: Tensor) -> tuple[Tensor, None]:
        scale = ctx.ratio * first.norm() / second.norm().clamp(min=SMALLEST_NORM)
        return first + scale * second, None


def balance_gradients(x: Tensor, *, ratio: float) -> tuple[Tensor, Tensor]:
    """Return `x` twice, once for each of two losses.

    The gradient that comes back through the second is scaled so that its norm is `ratio` times the
    norm of the gradient that comes back through the first. The scale is that of the whole tensor,
    which is the batch of one process.

    Args:
        x: any shape.
        ratio: at least 0.
    """
    first, second = _Balance.apply(x, ratio)
    return first, second
