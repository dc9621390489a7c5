"""What lies between sender and receiver: the SNR, the channel, and what crossing it costs."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator, Tensor

from entropy_hyperprior import HyperpriorOutput
from jscc_ratetoken import AWGN, Channel
from lrisc_system.capacity import awgn_capacities
from lrisc_system.packets.packet import Packet

SNR_RANGE_DB = (-20.0, 40.0)


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

    Raises:
        ValueError: if it is not a number in SNR_RANGE_DB.
    """
    low, high = SNR_RANGE_DB
    if not low <= snr_db <= high:
        raise ValueError(f"expected an SNR in [{low:g}, {high:g}] dB, got {snr_db:g}")
    return torch.tensor([snr_db])
