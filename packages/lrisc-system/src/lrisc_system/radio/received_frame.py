"""A frame that was found in a recording: its header, its side information, its packet."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

from lrisc_system.link import SNR_RANGE_DB
from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.radio.detection import SyncError
from lrisc_system.radio.finite_constellation import undo_projection
from lrisc_system.radio.header import HEADER_FORMATS, Header, HeaderError, HeaderFormat
from lrisc_system.radio.soft_channel import Observation
from lrisc_system.radio.spreading import despread, mean_noise
from lrisc_system.radio.waveform import Reception


class FrameLostError(PacketError):
    """A frame whose side information does not decode; the message is one line."""


@dataclass(frozen=True, eq=False)
class ReceivedFrame:
    """A frame that was found in a recording, its header read.

    Attributes:
        header: see `Header`.
        header_format: how the header was coded.
        reception: of the waveform.
    """

    header: Header
    header_format: HeaderFormat
    reception: Reception = field(repr=False)

    @property
    def cells(self) -> int:
        """Cells of the whole frame."""
        return self.header_format.symbols + self.header.side_symbols + self.header.symbols

    @cached_property
    def seen(self) -> Observation:
        """All cells, equalised.

        Raises:
            SyncError: the recording ends before the frame does.
        """
        return self.reception.cells(0, self.cells)

    @cached_property
    def symbols(self) -> Observation:
        """The JSCC symbols, their spreading undone.

        Raises:
            SyncError: the recording ends before the frame does.
        """
        image = _cut(self.seen, self.cells - self.header.symbols, self.cells)
        if self.header.constellation is not None:
            image = undo_projection(image, size=self.header.constellation)
        return despread(image)

    @property
    def snr_db(self) -> float:
        """SNR of the JSCC symbols in dB, within what the system takes.

        It is that of all cells if there are no JSCC symbols.
        """
        noise_power = self.symbols.noise_power
        if not len(noise_power):
            noise_power = self.seen.noise_power
        lowest, highest = SNR_RANGE_DB
        return min(max(-10 * math.log10(max(mean_noise(noise_power), 1e-30)), lowest), highest)

    def packet(self, *, without_z: bool = False) -> Packet:
        """Decode the side information and put the packet together.

        Args:
            without_z: accept a frame whose rate map arrived and whose z did not; its packet has no
                `z_stream`.

        Raises:
            FrameLostError: side information is lost.
            SyncError: the recording ends before the frame does.
        """
        header = self.header
        rate_stream, z_stream = self._side_information()
        if rate_stream is None or (z_stream is None and not without_z):
            name = "rate map" if rate_stream is None else "z"
            code = header.rate_code if rate_stream is None else header.z_code
            raise FrameLostError(
                f"frame number {header.frame_number} is lost: its {name} does not decode "
                f"({code}, received at {self.snr_db:.1f} dB)"
            )
        return Packet(
            symbols=self.symbols.symbols,
            rate_stream=rate_stream,
            z_stream=z_stream,
            gain_code=header.gain_code,
            image_size=header.image_size,
            fingerprint=header.fingerprint,
            snr_db=self.snr_db,
        )

    def _side_information(self) -> tuple[bytes | None, bytes | None]:
        """Rate map and z, or nothing in the place of what does not decode."""
        header = self.header
        first = self.header_format.symbols
        last = first + header.side_symbols
        if header.z_code is None:
            both = header.rate_code.decode(
                _cut(self.seen, first, last), part_bytes=header.rate_bytes + header.z_bytes
            )
            if both is None:
                return None, None
            return both[: header.rate_bytes], both[header.rate_bytes :]
        middle = first + header.rate_code.symbols(header.rate_bytes)
        return (
            header.rate_code.decode(_cut(self.seen, first, middle), part_bytes=header.rate_bytes),
            header.z_code.decode(_cut(self.seen, middle, last), part_bytes=header.z_bytes),
        )


def read_header(reception: Reception) -> ReceivedFrame:
    """Read the header of a frame that was found, in any of its formats.

    Raises:
        HeaderError: none of them checks: what was found is no frame, or too noisy.
        SyncError: the recording ends before the header does.
    """
    problem: ValueError = HeaderError("no header checks")
    for header_format in HEADER_FORMATS:
        try:
            header = header_format.decode(reception.cells(0, header_format.symbols))
        except HeaderError:
            continue
        except SyncError as error:
            problem = error
            break
        return ReceivedFrame(header, header_format, reception)
    raise problem


def _cut(seen: Observation, first: int, last: int) -> Observation:
    return Observation(seen.symbols[first:last], seen.noise_power[first:last])
