"""Packets as IQ samples that a radio sends, and out of those that it records."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lrisc_system.link import SNR_RANGE_DB
from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.radio.single_carrier import SingleCarrier
from lrisc_system.radio.waveforms import Reception

PEAK = 0.9  # of a radio's full scale, which SigMF sets to 1


@dataclass(frozen=True, eq=False)
class Recording:
    """IQ samples, and the side information that goes with them.

    Attributes:
        samples: `(n,)` complex64, one per symbol.
        sample_rate_hz: samples, and so symbols, per second.
        center_frequency_hz: of the radio.
        side: a packet without its symbols; none in a recording that another program made.
        symbols: how many symbols the packet has.
    """

    samples: Tensor
    sample_rate_hz: float
    center_frequency_hz: float
    side: Packet | None = None
    symbols: int = 0

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != torch.complex64:
            got = f"{tuple(self.samples.shape)} {self.samples.dtype}"
            raise ValueError(f"expected samples (n,) complex64, got {got}")
        if not 0 < self.sample_rate_hz <= 1e12:
            raise ValueError(f"expected a sample rate above 0 Hz, got {self.sample_rate_hz:g}")
        if not abs(self.center_frequency_hz) <= 1e12:
            raise ValueError(f"expected a frequency within 1 THz, got {self.center_frequency_hz:g}")


def record_packet(
    packet: Packet, *, sample_rate_hz: float = 1e6, center_frequency_hz: float = 0.0
) -> Recording:
    """Frame a packet's symbols for a radio to send, the largest component at PEAK."""
    frame = SingleCarrier().modulate(packet.symbols)
    return Recording(
        samples=frame * (PEAK / torch.view_as_real(frame).abs().max()),
        sample_rate_hz=sample_rate_hz,
        center_frequency_hz=center_frequency_hz,
        side=replace(packet, symbols=packet.symbols[:0], snr_db=None),
        symbols=len(packet.symbols),
    )


def recover_packet(recording: Recording) -> tuple[Packet, Reception]:
    """Find the frame in a recording: the packet, with the SNR measured, and what the link did.

    Raises:
        PacketError: if the recording has no side information.
        SyncError: if the frame is not in the recording.
    """
    if recording.side is None:
        raise PacketError(
            "the recording has no side information: expected lrisc:side_information in its "
            "metadata, or the recording that was sent with it"
        )
    frame = SingleCarrier().receive(recording.samples)
    symbols = frame.cells(0, recording.symbols).symbols
    lowest, highest = SNR_RANGE_DB
    snr_db = min(max(frame.snr_db, lowest), highest)  # without noise it would be above them
    return replace(recording.side, symbols=symbols, snr_db=snr_db), frame
