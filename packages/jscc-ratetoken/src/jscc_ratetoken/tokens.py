"""Rate tokens: they tell the codec how many reals each token sends."""

import torch
from torch import Tensor, nn


class RateToken(nn.Module):
    """Add a learned vector per rate to every token.

    The vectors start at zero, so an untrained codec treats all rates in the same way.
    """

    def __init__(self, levels_count: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(levels_count, width))

    def forward(self, tokens: Tensor, rate_index: Tensor) -> Tensor:
        """Add to each token the vector of its rate, `x_i + e[rate_i]`.

        Args:
            tokens: (B, N, C).
            rate_index: indices into the levels, (B, N).
        """
        return tokens + nn.functional.embedding(rate_index, self.embedding)
