"""The prior of z: CompressAI's `EntropyBottleneck` with few bits at the start, safe decoding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from entropy_hyperprior import rans
from entropy_hyperprior._compressai import EntropyBottleneck
from entropy_hyperprior.likelihood import LIKELIHOOD_BOUND, lower_bound
from entropy_hyperprior.rans import PRECISION, Z_LIMIT

TABLES = ("_quantized_cdf", "_cdf_length", "_offset")  # buffers that update() fills


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

    def check_tables(self) -> None:
        """Check the tables before CompressAI's coder, written in C++, reads them unchecked.

        Raises:
            RuntimeError: before `update` has built them.
            ValueError: when they are no tables of `update`, or the medians are out of range.
        """
        if not self.has_tables:
            raise RuntimeError("the tables of the entropy coder are missing: call update() first")
        cdf, lengths, offsets = (getattr(self, name).to("cpu", torch.int64) for name in TABLES)
        channels = self.quantiles.shape[0]
        if cdf.ndim != 2 or not cdf.shape[0] == channels == lengths.numel() == offsets.numel():
            raise ValueError(
                f"expected coding tables of {channels} channels, got shapes {tuple(cdf.shape)}, "
                f"{tuple(lengths.shape)}, {tuple(offsets.shape)}"
            )
        longest = cdf.shape[1]
        if lengths.ndim != 1 or offsets.ndim != 1 or not 3 <= longest <= (1 << PRECISION) + 1:
            raise ValueError(f"expected coding tables of 3 to 65537 numbers, got {longest}")
        if bool(((lengths < 3) | (lengths > longest)).any()):
            raise ValueError(f"expected lengths of coding tables in [3, {longest}]")
        last = cdf.gather(1, lengths[:, None] - 1)
        used = torch.arange(1, longest) < lengths[:, None]  # (channels, longest - 1)
        rising = (cdf.diff(dim=1) > 0) | ~used
        if bool((cdf[:, 0] != 0).any() or (last != 1 << PRECISION).any() or not rising.all()):
            raise ValueError("expected coding tables that rise from 0 to 65536")
        if bool((offsets.abs() > Z_LIMIT).any() or not (self.medians.abs() <= Z_LIMIT).all()):
            raise ValueError(f"expected offsets and medians within {Z_LIMIT:g}")

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
