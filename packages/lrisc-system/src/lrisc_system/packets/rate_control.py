"""The largest rates within a bandwidth, side information included."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from jscc_ratetoken import allocate_rate, solve_eta, symbols_per_token
from lrisc_system.packets.packet import Packet
from lrisc_system.packets.rate_map import encode_rates

PRECISION = 500  # the budget is met to one part in this many, where the rates allow it


class BandwidthError(ValueError):
    """A bandwidth is too small for the side information and the lowest rates."""


def rates_within(
    token_bits: Tensor,
    draft: Packet,
    *,
    cbr: float,
    levels: Sequence[int],
    channel_uses: Callable[[Packet], int],
) -> Tensor:
    """Find the largest eta of Eq. (6) whose packet stays within a bandwidth, and return its rates.

    The coded rate map costs bandwidth too, and its length depends on the rates, so the number of
    symbols is found by bisection.

    Args:
        token_bits: information of one image's tokens, (1, h, w).
        draft: the packet without its symbols and rates.
        cbr: largest number of channel uses over 3 H W.
        levels: real numbers per token, in rising order.
        channel_uses: of a packet, side information included.

    Returns:
        Indices into `levels`, (1, h, w).

    Raises:
        BandwidthError: if the bandwidth is too small for the side information and the lowest rates.
    """
    height, width = draft.image_size
    uses = math.floor(cbr * 3 * height * width)

    def fill(budget: int) -> tuple[Tensor, Packet]:
        eta = solve_eta(token_bits[0], budget=budget, levels=levels)
        rate_index = allocate_rate(token_bits, eta=eta, levels=levels)
        symbols = int(symbols_per_token(rate_index, levels=levels).sum())
        packet = replace(
            draft,
            symbols=torch.zeros(symbols, dtype=torch.complex64),
            rate_stream=encode_rates(rate_index[0], levels=len(levels)),
        )
        return rate_index, packet

    low = levels[0] * token_bits.numel()
    best, packet = fill(low)
    least = channel_uses(packet)
    if least > uses:
        raise BandwidthError(
            f"expected a CBR large enough for the side information, got {cbr:g}: "
            f"{packet.side_bits} bits and the lowest rates take {least / (3 * height * width):.4f}"
        )
    high = max(low, 2 * uses)
    while high - low > max(2, 2 * uses // PRECISION):
        middle = (low + high) // 2
        rate_index, packet = fill(middle)
        if channel_uses(packet) <= uses:
            low, best = middle, rate_index
        else:
            high = middle
    return best
