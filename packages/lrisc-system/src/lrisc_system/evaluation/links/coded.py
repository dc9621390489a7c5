"""LRISC with every channel use counted: header and side information in real codes, pilots too."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from lrisc_system.baselines.hevc_ldpc.hevc import GREY
from lrisc_system.link import Arrival, OutOfReachError
from lrisc_system.lrisc_link import LRISCLink
from lrisc_system.packets.packet import PacketError
from lrisc_system.packets.rate_control import BandwidthError
from lrisc_system.radio.detection import SyncError
from lrisc_system.radio.frame import DEFAULT_MARGIN_DB, Frame, frame_uses
from lrisc_system.radio.header import HeaderError
from lrisc_system.radio.received_frame import read_header
from lrisc_system.radio.soft_channel import Observation, observe
from lrisc_system.radio.thresholds import UnreachableError
from lrisc_system.system import LRISC


class CodedLink(LRISCLink):
    """Send images by a trained LRISC in whole frames.

    The frame crosses the channel cell by cell, with perfect synchronisation: preamble and pilots
    are paid for, and nothing is estimated from them. A frame whose header or side information does
    not decode shows a grey image, as HEVC + LDPC does without a payload.

    Args:
        system: in evaluation mode.
        margin_db: what the channel may be worse than the transmitter was told, in dB.
        options: as `LRISCLink` takes them.
    """

    def __init__(
        self, system: LRISC, *, margin_db: float = DEFAULT_MARGIN_DB, **options: Any
    ) -> None:
        super().__init__(system, **options)
        self.margin_db = margin_db
        self.identity |= {"margin_db": margin_db}

    def transmit(
        self,
        image: Tensor,
        snr_db: float,
        *,
        cbr: float | None,
        saliency: Tensor,
        generator: Generator,
    ) -> Arrival:
        """Send one image as one frame of at most the bandwidth `cbr`, or at the config's eta.

        Args:
            image: (1, 3, H, W) in [0, 1], any size.
            snr_db: mean SNR of the channel in dB.
            cbr: bandwidth of the whole frame; None for the eta of the config.
            saliency: (1, 1, H, W) in [0, 1].
            generator: of fading and noise, on the CPU; its seed makes the decoder's start too.

        Raises:
            OutOfReachError: header and side information alone cost more, or no code carries them.
        """
        cost = partial(frame_uses, snr_db=snr_db, margin_db=self.margin_db)
        try:
            packet = self.system.send(
                image, snr_db, cbr=cbr, alpha=self.alpha, saliency=saliency, channel_uses=cost
            )
            frame = Frame.from_packet(packet, snr_db, margin_db=self.margin_db)
        except (BandwidthError, UnreachableError, HeaderError) as error:
            raise OutOfReachError(str(error)) from error
        seen = observe(self.channel, frame.cells, snr_db, generator=generator)
        try:
            received = read_header(_Seen(seen)).packet()
        except (HeaderError, PacketError, SyncError):
            return Arrival(torch.full_like(image, GREY), frame.cbr(), delivered=False)
        assert received.snr_db is not None
        output = self.receive(received, received.snr_db, generator=generator, device=image.device)
        return Arrival(output, frame.cbr())


class _Seen:
    """A reception of cells that a channel simulation gives."""

    start, carrier_offset, snr_db, gain = 0.0, 0.0, float("nan"), 1.0

    def __init__(self, seen: Observation) -> None:
        self._seen = seen

    def cells(self, first: int, count: int) -> Observation:
        """Take cells out of the frame.

        Raises:
            SyncError: the frame has fewer.
        """
        last = first + count
        if last > len(self._seen.symbols):  # a longer format of the header than was sent
            raise SyncError(f"expected {last} cells, got {len(self._seen.symbols)}")
        return Observation(self._seen.symbols[first:last], self._seen.noise_power[first:last])
