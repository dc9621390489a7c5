"""Fully connected heads, one per rate, between C features and k_i real numbers of a token.

The straightforward code gathers a (C, v_max) weight for every token. Here the tokens are sorted by
rate, so each head is one matrix product over its own tokens and no weight is copied.
"""

from collections.abc import Iterable, Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from jscc_ratetoken.rate import check_levels


def map_by_rate(tokens: Tensor, rate_index: Tensor, weights: Iterable[Tensor]) -> Tensor:
    """Multiply each token by the matrix of its rate, `W[rate_i] x_i`.

    A matrix (out, in) takes the first `in` numbers of its tokens. Shorter results are padded with
    zeros. The product runs in float32 under autocast, to keep the precision of the signal path.

    Args:
        tokens: (T, width).
        rate_index: index of the matrix of each token, (T,).
        weights: one (out, in) per rate.

    Returns:
        (T, largest out).
    """
    weights = list(weights)
    counts = torch.bincount(rate_index, minlength=len(weights)).tolist()
    if len(counts) > len(weights):
        raise ValueError(f"expected rate_index below {len(weights)}, got {len(counts) - 1}")
    widest = max(weight.shape[0] for weight in weights)
    order = torch.argsort(rate_index, stable=True)
    groups = tokens.index_select(0, order).split(counts)
    with torch.autocast(tokens.device.type, enabled=False):
        mapped = [
            F.pad(F.linear(group[:, : w.shape[1]].to(w.dtype), w), (0, widest - w.shape[0]))
            for group, w in zip(groups, weights, strict=True)
        ]
    return torch.cat(mapped).index_select(0, torch.argsort(order))


class RateHeads(nn.Module):
    """Encoder heads: C features to the first `k_i` of `v_max` real numbers.

    The head of level v initially selects the first v channels. It has no bias, because a bias would
    spend power on a value that the receiver knows.
    """

    def __init__(self, width: int, levels: Sequence[int]) -> None:
        super().__init__()
        check_levels(levels)
        if levels[-1] > width:
            raise ValueError(f"expected levels up to the width {width}, got {levels[-1]}")
        self.weights = nn.ParameterList([nn.Parameter(torch.eye(v, width)) for v in levels])

    def forward(self, tokens: Tensor, rate_index: Tensor) -> Tensor:
        """Map (B, N, C) to (B, N, v_max), zero beyond `k_i`; rate_index is (B, N)."""
        mapped = map_by_rate(tokens.flatten(0, 1), rate_index.flatten(), self.weights)
        return rearrange(mapped, "(b n) v -> b n v", b=len(tokens))


class InverseRateHeads(nn.Module):
    """Decoder heads: the first `k_i` of `v_max` real numbers back to C features.

    The head of level v initially does the reverse: channel j is number j, the others are zero.
    """

    def __init__(self, width: int, levels: Sequence[int]) -> None:
        super().__init__()
        check_levels(levels)
        if levels[-1] > width:
            raise ValueError(f"expected levels up to the width {width}, got {levels[-1]}")
        self.weights = nn.ParameterList([nn.Parameter(torch.eye(width, v)) for v in levels])

    def forward(self, stream: Tensor, rate_index: Tensor) -> Tensor:
        """Map (B, N, v_max) to (B, N, C); values beyond `k_i` are ignored."""
        mapped = map_by_rate(stream.flatten(0, 1), rate_index.flatten(), self.weights)
        return rearrange(mapped, "(b n) c -> b n c", b=len(stream))
