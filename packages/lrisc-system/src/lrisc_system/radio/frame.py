"""The frame: a packet as it goes over the air, all of it.

    cells     header | rate map | z | JSCC symbols, spread
    samples   preamble, pilots and cells, as the waveform lays them out

Nothing is handed over beside the samples: the receiver finds the preamble, reads the header, and
from it knows where the rest is and how it is coded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lrisc_system.packets.packet import Packet
from lrisc_system.radio.amplifier import clip_peaks
from lrisc_system.radio.finite_constellation import project_to_constellation
from lrisc_system.radio.header import Header, HeaderFormat
from lrisc_system.radio.side_codes import SideCode
from lrisc_system.radio.single_carrier import SingleCarrier
from lrisc_system.radio.spreading import spread
from lrisc_system.radio.thresholds import (
    UnreachableError,
    choose_header_format,
    choose_side_code,
)
from lrisc_system.radio.waveform import Waveform

DEFAULT_MARGIN_DB = 0.0
# Rate map and z of up to so many bytes share a code block where that takes fewer symbols. Longer
# ones do not share their fate.
MOST_BYTES_TOGETHER = 200


@dataclass(frozen=True, eq=False)
class Frame:
    """A packet as cells of unit mean power.

    Attributes:
        header: see `Header`.
        header_format: how the header is coded.
        cells: header, rate map, z and JSCC symbols, (K,) complex64.
        waveform: what carries them.
        max_papr_db: peaks of the samples are clipped to so much above their mean power, in dB.
    """

    header: Header
    header_format: HeaderFormat
    cells: Tensor = field(repr=False)
    waveform: Waveform
    max_papr_db: float = math.inf

    def __post_init__(self) -> None:
        if not self.max_papr_db >= 0:
            raise ValueError(f"expected a PAPR of at least 0 dB, got {self.max_papr_db}")

    @classmethod
    def from_packet(
        cls,
        packet: Packet,
        snr_db: float,
        *,
        margin_db: float = DEFAULT_MARGIN_DB,
        frame_number: int = 0,
        waveform: Waveform | None = None,
        constellation: int | None = None,
        max_papr_db: float = math.inf,
    ) -> Frame:
        """Code a packet for a channel.

        Args:
            packet: as `LRISC.send` made it.
            snr_db: SNR of the channel in dB, as the transmitter was told.
            margin_db: what the channel may be worse before side information is lost, in dB.
            frame_number: 0 to 255; the receiver reports it.
            waveform: the single carrier by default.
            constellation: project the spread JSCC symbols to so many points, 16, 64 or 256.
            max_papr_db: clip the peaks of the samples to so much above their mean power.

        Raises:
            UnreachableError: no code carries the side information at this SNR.
            HeaderError: the packet is too large for a frame, or the constellation is none of them.
        """
        header, header_format = _describe(
            packet, snr_db, margin_db=margin_db, frame_number=frame_number
        )
        header = replace(header, constellation=constellation)
        image = spread(packet.symbols)
        if constellation is not None:
            image = project_to_constellation(image, size=constellation)
        cells = torch.cat(
            [
                header_format.encode(header),
                _side_information(packet, header),
                image,
            ]
        )
        waveform = SingleCarrier() if waveform is None else waveform
        return cls(header, header_format, cells, waveform, max_papr_db)

    @property
    def channel_uses(self) -> int:
        """Channel uses of the whole frame, preamble and pilots included."""
        return self.waveform.length(len(self.cells))

    def cbr(self) -> float:
        """Channel bandwidth ratio: all channel uses of the frame over `3 * H * W`."""
        height, width = self.header.image_size
        return self.channel_uses / (3 * height * width)

    def samples(self) -> Tensor:
        """The frame as a transmitter sends it, `waveform.oversampling` samples per channel use."""
        samples = self.waveform.modulate(self.cells)
        if math.isinf(self.max_papr_db):
            return samples
        return clip_peaks(samples, max_papr_db=self.max_papr_db)


def frame_uses(
    packet: Packet,
    snr_db: float,
    *,
    margin_db: float = DEFAULT_MARGIN_DB,
    waveform: Waveform | None = None,
) -> int:
    """Count the channel uses of the frame of a packet, without coding it.

    The arguments and errors are those of `Frame.from_packet`.
    """
    header, header_format = _describe(packet, snr_db, margin_db=margin_db, frame_number=0)
    cells = header_format.symbols + header.side_symbols + header.symbols
    return (SingleCarrier() if waveform is None else waveform).length(cells)


def _describe(
    packet: Packet, snr_db: float, *, margin_db: float, frame_number: int
) -> tuple[Header, HeaderFormat]:
    """Choose the codes for a packet and write them into a header."""
    planned_snr_db = snr_db - margin_db
    rate_bytes, z_bytes = len(packet.rate_stream), len(_known_z(packet))
    rate_code, z_code = _choose_side_codes(rate_bytes, z_bytes, snr_db=planned_snr_db)
    header = Header(
        rate_code=rate_code,
        z_code=z_code,
        symbols=len(packet.symbols),
        image_size=packet.image_size,
        rate_bytes=rate_bytes,
        z_bytes=z_bytes,
        gain_code=packet.gain_code,
        frame_number=frame_number,
        fingerprint=packet.fingerprint,
    )
    return header, choose_header_format(planned_snr_db)


def _choose_side_codes(
    rate_bytes: int, z_bytes: int, *, snr_db: float
) -> tuple[SideCode, SideCode | None]:
    """Choose the codes of rate map and z, or one code for both."""
    rate_code = choose_side_code(rate_bytes, snr_db=snr_db)
    z_code = choose_side_code(z_bytes, snr_db=snr_db)
    total = rate_bytes + z_bytes
    if total > MOST_BYTES_TOGETHER:
        return rate_code, z_code
    try:
        both = choose_side_code(total, snr_db=snr_db)
    except UnreachableError:  # more bytes may need a higher SNR
        return rate_code, z_code
    if both.symbols(total) < rate_code.symbols(rate_bytes) + z_code.symbols(z_bytes):
        return both, None
    return rate_code, z_code


def _side_information(packet: Packet, header: Header) -> Tensor:
    """Code rate map and z."""
    if header.z_code is None:
        return header.rate_code.encode(packet.rate_stream + _known_z(packet))
    return torch.cat(
        [header.rate_code.encode(packet.rate_stream), header.z_code.encode(_known_z(packet))]
    )


def _known_z(packet: Packet) -> bytes:
    """Return z of a packet to send."""
    if packet.z_stream is None:
        raise ValueError("expected a packet with z, got one that lost it")
    return packet.z_stream
