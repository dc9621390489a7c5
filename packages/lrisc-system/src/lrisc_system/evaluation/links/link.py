"""What is compared: a link takes one image across a channel, within a bandwidth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from jscc_ratetoken import Channel

TOLERANCE = 0.05  # of a budget, for links of fixed bandwidth


@dataclass(frozen=True)
class Arrival:
    """What a link made of one image.

    Attributes:
        image: what the receiver shows, (1, 3, H, W) in [0, 1].
        cbr: bandwidth that was used, side information included.
        delivered: whether all that was sent arrived.
    """

    image: Tensor
    cbr: float
    delivered: bool = True


class OutOfReachError(ValueError):
    """A link cannot serve a bandwidth; the message says why."""


class UnavailableError(ValueError):
    """A link cannot be made here, for a reason other than a mistake; the message says it."""


class Link(Protocol):
    """Sends images over a channel of its own."""

    @property
    def identity(self) -> Mapping[str, object]:
        """What its results depend on, beside the image and the channel: weights, options."""
        ...

    def transmit(
        self, image: Tensor, snr_db: float, *, cbr: float, saliency: Tensor, generator: Generator
    ) -> Arrival:
        """Send one image and receive it.

        Args:
            image: (1, 3, H, W) in [0, 1], any size.
            snr_db: mean SNR of the channel in dB, known to both ends.
            cbr: bandwidth, side information included.
            saliency: (1, 1, H, W) in [0, 1], for links that care.
            generator: of fading and noise, on the CPU.

        Raises:
            OutOfReachError: the link cannot serve this bandwidth.
        """
        ...

    def nearest_cbr(self, image_size: tuple[int, int], *, cbr: float, snr_db: float) -> float:
        """Give the bandwidth nearest to `cbr` that the link can be asked for.

        Args:
            image_size: (H, W).
            cbr: bandwidth.
            snr_db: of the channel.
        """
        ...


@dataclass(frozen=True)
class OnCPU:
    """A channel that works on the CPU, so that fading and noise are the same on every device."""

    channel: Channel

    def __call__(
        self, symbols: Tensor, snr_db: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Send symbols (B, ...) at snr_db (B,)."""
        received = self.channel(symbols.cpu(), snr_db.cpu(), generator=generator)
        return received.to(symbols.device)
