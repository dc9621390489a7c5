"""The header of a frame: what a receiver must know before it can read the rest.

20 bytes, the highest bit first: version 2 bits | code of the rate map 6 | code of z 6
| constellation 2 | symbols 22 | height 14 | width 14 | bytes of the rate map 15 | bytes of z 15
| gain code 8 | frame number 8 | fingerprint 32 | CRC-16 of the above.

They travel as one shortened block of the 648-bit code in QPSK or 16-QAM. The transmitter chooses
among a few formats by the SNR that it was told, so that the header survives where the side
information does not. The receiver tries them all: a wrong one passes neither the parity checks nor
the CRC.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from lrisc_system.packets.packet import FINGERPRINT_BYTES
from lrisc_system.radio.code_blocks import BlockPlan, checksum
from lrisc_system.radio.finite_constellation import SIZES
from lrisc_system.radio.mcs import MCS
from lrisc_system.radio.qam import Modulation
from lrisc_system.radio.side_codes import SIDE_CODES, SideCode
from lrisc_system.radio.soft_channel import Observation

VERSION = 1
HEADER_BYTES = 20
HEADER_BITS = 8 * HEADER_BYTES
CODE_LENGTH = 648
_TOGETHER = 63  # in the place of the code of z: rate map and z are coded together
_CONSTELLATIONS = (None, *SIZES)  # by their number in the header
# Name and bits of each number, in their order.
_FIELDS = (
    ("version", 2),
    ("rate_code", 6),
    ("z_code", 6),
    ("constellation", 2),
    ("symbols", 22),
    ("height", 14),
    ("width", 14),
    ("rate_bytes", 15),
    ("z_bytes", 15),
    ("gain_code", 8),
    ("frame_number", 8),
    ("fingerprint", 32),
)


class HeaderError(ValueError):
    """No header can be read, or one cannot be written; the message is one line."""


@dataclass(frozen=True)
class Header:
    """What the header of a frame says.

    Attributes:
        rate_code: of the rate map.
        z_code: of z; None if z is coded together with the rate map.
        symbols: how many JSCC symbols follow the side information, up to 4,194,303.
        image_size: (H, W) in pixels, each up to 16,383.
        rate_bytes: length of the rate map, up to 32,767.
        z_bytes: length of z, up to 32,767.
        gain_code: see `Packet`.
        frame_number: counts the frames of a transmitter, 0 to 255.
        fingerprint: of the model, 4 bytes.
        constellation: points that the JSCC symbols were projected to, see `finite_constellation`;
            None if they were not.

    Raises:
        HeaderError: a number has no room in its field.
    """

    rate_code: SideCode
    z_code: SideCode | None
    symbols: int
    image_size: tuple[int, int]
    rate_bytes: int
    z_bytes: int
    gain_code: int
    frame_number: int
    fingerprint: bytes
    constellation: int | None = None

    def __post_init__(self) -> None:
        if self.constellation not in _CONSTELLATIONS:
            raise HeaderError(
                f"expected a constellation of 16, 64 or 256 points, got {self.constellation}"
            )
        if len(self.fingerprint) != FINGERPRINT_BYTES:
            got = len(self.fingerprint)
            raise HeaderError(f"expected a fingerprint of {FINGERPRINT_BYTES} bytes, got {got}")
        if min(self.image_size) < 1:
            raise HeaderError(f"expected an image of at least one pixel, got {self.image_size}")
        for (name, bits), number in zip(_FIELDS, self._numbers(), strict=True):
            if not 0 <= number < 1 << bits:
                raise HeaderError(
                    f"expected {name} in 0..{(1 << bits) - 1} for a frame, got {number}"
                )

    @property
    def side_symbols(self) -> int:
        """Channel uses of the rate map and z."""
        if self.z_code is None:
            return self.rate_code.symbols(self.rate_bytes + self.z_bytes)
        return self.rate_code.symbols(self.rate_bytes) + self.z_code.symbols(self.z_bytes)

    def to_bytes(self) -> bytes:
        """Write the header, its CRC last."""
        packed = 0
        for (_, bits), number in zip(_FIELDS, self._numbers(), strict=True):
            packed = packed << bits | number
        content = packed.to_bytes(HEADER_BYTES - 2, "big")
        return content + checksum(content)

    @classmethod
    def from_bytes(cls, data: bytes) -> Header:
        """Read what `to_bytes` wrote.

        Raises:
            HeaderError: the CRC is wrong, or the version or a number impossible.
        """
        if len(data) != HEADER_BYTES or checksum(data[:-2]) != data[-2:]:
            raise HeaderError("the header does not check")
        packed = int.from_bytes(data[:-2], "big")
        numbers = {}
        for name, bits in reversed(_FIELDS):
            numbers[name] = packed & (1 << bits) - 1
            packed >>= bits
        if numbers["version"] != VERSION:
            raise HeaderError(f"expected frame version {VERSION}, got {numbers['version']}")
        z_code = 0 if numbers["z_code"] == _TOGETHER else numbers["z_code"]
        if max(numbers["rate_code"], z_code) >= len(SIDE_CODES):
            raise HeaderError("the header names a code that does not exist")
        return cls(
            rate_code=SIDE_CODES[numbers["rate_code"]],
            z_code=None if numbers["z_code"] == _TOGETHER else SIDE_CODES[z_code],
            symbols=numbers["symbols"],
            image_size=(numbers["height"], numbers["width"]),
            rate_bytes=numbers["rate_bytes"],
            z_bytes=numbers["z_bytes"],
            gain_code=numbers["gain_code"],
            frame_number=numbers["frame_number"],
            fingerprint=numbers["fingerprint"].to_bytes(FINGERPRINT_BYTES, "big"),
            constellation=_CONSTELLATIONS[numbers["constellation"]],
        )

    def _numbers(self) -> tuple[int, ...]:
        """Numbers of the fields, in their order."""
        return (
            VERSION,
            SIDE_CODES.index(self.rate_code),
            _TOGETHER if self.z_code is None else SIDE_CODES.index(self.z_code),
            _CONSTELLATIONS.index(self.constellation),
            self.symbols,
            *self.image_size,
            self.rate_bytes,
            self.z_bytes,
            self.gain_code,
            self.frame_number,
            int.from_bytes(self.fingerprint, "big"),
        )


@dataclass(frozen=True)
class HeaderFormat:
    """One way to send the header.

    Each repeat turns the symbols by a quarter more, or a receiver would take the first copy of a
    header that is sent twice for one that is sent once.

    Args:
        rate: of the code, before it is shortened.
        repeats: how many times each symbol is sent.
        modulation: of the symbols.
    """

    rate: Fraction
    repeats: int = 1
    modulation: Modulation = Modulation.QPSK

    @property
    def mcs(self) -> MCS:
        """Modulation and code."""
        return MCS(self.modulation, self.rate)

    @property
    def plan(self) -> BlockPlan:
        """One block, shortened to the header."""
        return BlockPlan(blocks=1, information=HEADER_BITS, punctured=0, length=CODE_LENGTH)

    @property
    def symbols(self) -> int:
        """Symbols that the header takes."""
        return self.repeats * self.mcs.symbols(self.plan)

    def encode(self, header: Header) -> Tensor:
        """Code and modulate a header: (K,) complex64 of unit mean power."""
        symbols = self.mcs.encode(header.to_bytes(), plan=self.plan)
        return (symbols * 1j**self.repeats).repeat(self.repeats)

    def decode(self, seen: Observation) -> Header:
        """Decode the symbols (K,) of a header.

        Raises:
            HeaderError: it does not check.
        """
        turned = seen.symbols * (-1j) ** self.repeats
        symbols = turned.reshape(self.repeats, -1)  # (repeats, K / repeats)
        weight = 1 / seen.noise_power.reshape(self.repeats, -1)
        total = weight.sum(dim=0)  # maximal ratio combining
        combined = Observation((weight * symbols).sum(dim=0) / total, 1 / total)
        received = self.mcs.decode(combined, plan=self.plan)
        if received.lost_block is not None:
            raise HeaderError("the header does not decode")
        return Header.from_bytes(received.data)


HEADER_FORMATS = (
    HeaderFormat(Fraction(5, 6), modulation=Modulation.QAM16),
    HeaderFormat(Fraction(3, 4), modulation=Modulation.QAM16),
    HeaderFormat(Fraction(2, 3), modulation=Modulation.QAM16),
    HeaderFormat(Fraction(5, 6)),
    HeaderFormat(Fraction(3, 4)),
    HeaderFormat(Fraction(1, 2)),
    HeaderFormat(Fraction(1, 2), repeats=2),
    HeaderFormat(Fraction(1, 2), repeats=3),
)
"""From the shortest to the most robust."""
