"""What carries an image: one protocol for every link, and what crossing a channel costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Generator, Tensor

from entropy_hyperprior import HyperpriorOutput
from jscc_ratetoken import AWGN, Channel
from lrisc_system.capacity import awgn_capacities
from lrisc_system.limits import SNR_RANGE_DB as SNR_RANGE_DB
from lrisc_system.packets.packet import Packet


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


class Link(Protocol):
    """Sends images over a channel of its own: LRISC, DeepJSCC, linear, HEVC + LDPC, yours."""

    def transmit(
        self,
        image: Tensor,
        snr_db: float,
        *,
        cbr: float | None,
        saliency: Tensor,
        generator: Generator,
    ) -> Arrival:
        """Send one image and receive it.

        Args:
            image: (1, 3, H, W) in [0, 1], any size.
            snr_db: mean SNR of the channel in dB, known to both ends.
            cbr: bandwidth, side information included. None asks for what the link takes by
                itself: LRISC at the eta of its config, an analog model at its one bandwidth.
            saliency: (1, 1, H, W) in [0, 1], for links that use it.
            generator: of fading and noise, on the CPU.

        Raises:
            OutOfReachError: if the link cannot serve this bandwidth, or `cbr` is None and it has
                no bandwidth of its own.
        """
        ...


@dataclass(frozen=True)
class OnCPU:
    """A channel that works on the CPU, so that fading and noise are the same on every device.

    Args:
        channel: any channel.
    """

    channel: Channel

    def __call__(
        self, symbols: Tensor, snr_db: Tensor, *, generator: Generator | None = None
    ) -> Tensor:
        """Send symbols (B, ...) at snr_db (B,)."""
        received = self.channel(symbols.cpu(), snr_db.cpu(), generator=generator)
        return received.to(symbols.device)


def own_bandwidth_missing(name: str) -> OutOfReachError:
    """Make the error of a link that needs a bandwidth."""
    return OutOfReachError(f"expected a CBR for {name}, it has no bandwidth of its own; got none")


def expected_cbr(prior: HyperpriorOutput, *, eta: Tensor, snr_db: Tensor, pixels: int) -> Tensor:
    """Estimate the CBR of each image before rounding to rates, the R of Eq. (14).

    Real symbols cost half a channel use, side information its bits over the capacity
    log2(1 + SNR): LRISC Eq. (6). `pixels` is H * W. Returns (B,).
    """
    symbols = eta * prior.token_bits.sum(dim=(1, 2)) / 2
    return (symbols + prior.side_bits / awgn_capacities(snr_db)) / (3 * pixels)


def cross_channel(
    packet: Packet,
    snr_db: float,
    *,
    channel: Channel | None = None,
    generator: Generator | None = None,
) -> Packet:
    """Put a packet's symbols through a channel; side information arrives intact."""
    channel = AWGN() if channel is None else channel
    symbols = channel(packet.symbols[None], check_snr_db(snr_db), generator=generator)[0]
    return replace(packet, symbols=symbols)


def check_snr_db(snr_db: float) -> Tensor:
    """Return the SNR as a tensor (1,).

    Args:
        snr_db: one number in dB: of Python, of NumPy, or a tensor of one element.

    Raises:
        ValueError: if it is not a number in SNR_RANGE_DB.
    """
    low, high = SNR_RANGE_DB
    try:
        number = float(snr_db)
    except (TypeError, ValueError, RuntimeError):  # of lists, of arrays and of tensors
        raise ValueError(f"expected one SNR in dB, a number, got {snr_db!r}") from None
    if not low <= number <= high:
        raise ValueError(f"expected an SNR in [{low:g}, {high:g}] dB, got {number:g}")
    return torch.tensor([number])
