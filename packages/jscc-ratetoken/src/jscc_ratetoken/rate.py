"""The number of reals that each token sends, Eq. (6).

A rate is stored as an index into `levels`, the rising tuple V = {v_1 < ... < v_q} of real numbers
per token. Two real numbers make one complex symbol, so every level is even.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor


def check_levels(levels: Sequence[int]) -> None:
    """Raise ValueError unless the levels are even, not negative and strictly rising."""
    rising = all(low < high for low, high in pairwise(levels))
    if not levels or levels[0] < 0 or levels[-1] == 0 or not rising or any(v % 2 for v in levels):
        raise ValueError(f"expected even, strictly rising levels >= 0, got {tuple(levels)}")


def allocate_rate(token_bits: Tensor, *, eta: float | Tensor, levels: Sequence[int]) -> Tensor:
    """Round the demand of each token to the nearest level, Eq. (6).

    Source: LRISC Eq. (6), `k_i = Q(eta * sum_c -log2 p)`. A demand halfway between two levels
    takes the lower one. The result is piecewise constant and has no gradient.

    Args:
        token_bits: `sum_c -log2 p` per token, (B, h, w).
        eta: real numbers per bit, one for all images or (B,).
        levels: real numbers per token, rising.

    Returns:
        Indices into `levels`, (B, h, w), int64.
    """
    check_levels(levels)
    if token_bits.ndim != 3:
        raise ValueError(f"expected token_bits (B, h, w), got {tuple(token_bits.shape)}")
    per_image = torch.as_tensor(eta, dtype=torch.float64, device=token_bits.device)
    if per_image.ndim > 0 and per_image.shape != token_bits.shape[:1]:
        raise ValueError(f"expected eta ({token_bits.shape[0]},), got {tuple(per_image.shape)}")
    demand = per_image.reshape(-1, 1, 1) * token_bits.detach().double()  # (B, h, w)
    halfway = [(low + high) / 2 for low, high in pairwise(levels)]
    boundaries = torch.tensor(halfway, dtype=torch.float64, device=token_bits.device)
    return torch.bucketize(demand, boundaries)


def reals_per_token(rate_index: Tensor, *, levels: Sequence[int]) -> Tensor:
    """Return the number of reals `k_i` of each token, in the shape of `rate_index`."""
    return torch.tensor(levels, device=rate_index.device)[rate_index.long()]


def symbols_per_token(rate_index: Tensor, *, levels: Sequence[int]) -> Tensor:
    """Return the complex channel uses `k_i / 2` of each token, in the shape of `rate_index`."""
    return reals_per_token(rate_index, levels=levels) // 2


def active_mask(rate_index: Tensor, *, levels: Sequence[int]) -> Tensor:
    """Mark the first `k_i` of the `v_max` positions of each token.

    Args:
        rate_index: (B, h, w) or (B, N).
        levels: real numbers per token, rising.

    Returns:
        bool, (B, N, v_max).
    """
    slots = torch.arange(levels[-1], device=rate_index.device)
    used = reals_per_token(rate_index.flatten(1), levels=levels)  # (B, N)
    return slots < used.unsqueeze(-1)


def solve_eta(token_bits: Tensor, *, budget: int, levels: Sequence[int]) -> float:
    """Find the eta for which the total of Eq. (6) is the largest within the budget.

    The total is a rising step function of eta, so bisection down to adjacent floats ends on the
    last step within the budget. The unused rest of the budget is less than the next step.

    Args:
        token_bits: one image, (h, w).
        budget: real numbers for the whole image, twice its complex symbols.
        levels: real numbers per token, rising.

    Raises:
        ValueError: when even the smallest level for every token is above the budget.
    """
    check_levels(levels)
    if token_bits.ndim != 2:
        raise ValueError(f"expected token_bits (h, w) of one image, got {tuple(token_bits.shape)}")
    if not bool(torch.isfinite(token_bits).all()):
        raise ValueError("expected finite token_bits, got inf or NaN among them")
    least = levels[0] * token_bits.numel()
    if budget < least:
        raise ValueError(f"expected a budget of at least {least} real numbers, got {budget}")

    def total(eta: float) -> int:
        rate_index = allocate_rate(token_bits.unsqueeze(0), eta=eta, levels=levels)
        return int(reals_per_token(rate_index, levels=levels).sum())

    positive = token_bits[token_bits > 0]
    low, high = 0.0, 2.0 * levels[-1] / float(positive.min()) if positive.numel() else 1.0
    if total(high) <= budget:
        return high
    middle = (low + high) / 2
    while low < middle < high:
        low, high = (middle, high) if total(middle) <= budget else (low, middle)
        middle = (low + high) / 2
    return low
