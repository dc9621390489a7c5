"""The prior of z: CompressAI's `EntropyBottleneck` with few bits at the start, safe decoding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from entropy_hyperprior import rans
from entropy_hyperprior._compressai import EntropyBottleneck
from entropy_hyperprior.likelihood import LIKELIHOOD_BOUND, lower_bound

TABLES = ("_offset", "_quantized_cdf", "_cdf_length")  # buffers that update() fills


class SideBottleneck(EntropyBottleneck):
    """Factorised prior of z that starts as a logistic of scale `spread` around zero.

    In addition to CompressAI's class, rounding and likelihood do not use its global noise, damaged
    strings are detected, and a `state_dict` loads before and after the tables are built.

    Args:
        channels: channels of z.
        spread: scale of the logistic at the start, > 0; a smaller one makes z = 0 cost fewer bits.
    """

    def __init__(self, channels: int, *, spread: float) -> None:
        super().__init__(channels, init_scale=spread)
        # CompressAI draws the biases at random, which moves the centre by several times a
        # small spread; the last bias compensates for it.
        with torch.no_grad():
            last = self.biases[-1]
            zero = torch.zeros(channels, 1, 1, device=last.device)
            last.sub_(self._logits_cumulative(zero, stop_gradient=True))

    @property
    def medians(self) -> Tensor:
        """The values of z that a zero symbol codes, (channels, 1, 1)."""
        return self.quantiles[:, :, 1:2].detach()

    @property
    def has_tables(self) -> bool:
        """Whether `update` has built the coder's tables."""
        return self._offset.numel() > 0

    def round(self, z: Tensor) -> Tensor:
        """Round z (B, channels, h, w) to the medians plus integers."""
        return torch.round(z - self.medians) + self.medians

    def likelihood(self, z: Tensor) -> Tensor:
        """Probability of each element of z (B, channels, h, w) under the factorised prior.

        Source: Balle et al. 2018, "Variational image compression with a scale hyperprior".
        """
        batch, channels, *grid = z.shape
        values = z.transpose(0, 1).reshape(channels, 1, -1)
        likelihood, _, _ = self._likelihood(values)
        likelihood = likelihood.reshape(channels, batch, *grid).transpose(0, 1)
        return lower_bound(likelihood, LIKELIHOOD_BOUND)

    def decode(self, string: bytes, *, size: tuple[int, int]) -> Tensor:
        """Decode one string of `compress` to z_hat (1, channels, h, w), (h, w) = size.

        Raises:
            ValueError: when the string is damaged or of another size.
        """
        symbols = rans.decode(
            string,
            cdfs=self._cdfs(),
            offsets=self._offset.tolist(),
            count=size[0] * size[1],
        )
        z = torch.tensor(symbols, dtype=self.medians.dtype, device=self.medians.device)
        return z.reshape(1, -1, *size) + self.medians

    def check_length(self, string: bytes, *, size: tuple[int, int]) -> None:
        """Refuse a string that is too short for z_hat (1, channels, h, w), (h, w) = size.

        Raises:
            ValueError: when it is.
        """
        rans.check_length(string, cdfs=self._cdfs(), count=size[0] * size[1])

    def _cdfs(self) -> list[list[int]]:
        """The coder's tables without their padding, one a channel."""
        tables = zip(self._quantized_cdf.tolist(), self._cdf_length.tolist(), strict=True)
        return [table[:length] for table, length in tables]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for name in TABLES:  # only update() knows their size, so use the stored one
            if prefix + name in state_dict:
                buffer = getattr(self, name)
                setattr(self, name, buffer.new_empty(state_dict[prefix + name].shape))
        super()._load_from_state_dict(state_dict, prefix, *args)
