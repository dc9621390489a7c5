"""The packet: all that the receiver gets, and its file format with checksums.

A packet file (integers little-endian, `v` of variable length with 7 bits a byte)::

    side part   b"LR" | version 1 | fingerprint 4 | gain code 1 | H v | W v
                | length v, rate stream | length v, z stream | CRC-32 of the above 4
    symbols     K times (float32 real, float32 imaginary)
    trailer     the receiver's SNR in dB, float64, NaN when unknown | CRC-32 of symbols and SNR 4

The side part is sent over the air error-free at capacity and is paid for in the CBR, every byte.
The symbols are sent as they are. The trailer belongs to the file: the channel writes it anew, for
a received packet holds other symbols, and the SNR in it is the receiver's own estimate.
"""

import math
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lrisc_system.capacity import uses_at_capacity
from lrisc_system.limits import MAX_PIXELS, SNR_RANGE_DB, check_pixels
from lrisc_system.packets.byte_reader import ByteReader, encode_varint
from lrisc_system.storage.files import write_atomically

MAGIC = b"LR"
VERSION = 1
FINGERPRINT_BYTES = 4
MAX_SIDE = 65535  # pixels, of an image
MAX_STREAM_BYTES = 1 << 26
MAX_SYMBOL = 1e4  # of |s|: 80 dB above the mean power, no channel of this system adds as much
_TRAILER = struct.Struct("<dI")
_SYMBOL_BYTES = 8


class PacketError(ValueError):
    """A packet that is damaged, cut short or something else; the message is one line."""


@dataclass(frozen=True, eq=False)
class Packet:
    """The data that one image sends over the channel.

    Attributes:
        symbols: `(K,)` complex64, mean power at most 1 when sent.
        rate_stream: the entropy-coded rate indices of the tokens.
        z_stream: the entropy-coded hyper-latent; absent in a received packet that lost it.
        gain_code: amplitude gain of the image's symbols on a log scale, 0 to 255.
        image_size: `(H, W)` in pixels.
        fingerprint: 4 bytes that name the model that wrote the packet.
        snr_db: the receiver's estimate of the channel, absent in a packet that was not sent yet.
            It is the receiver's own knowledge, so it costs nothing.
    """

    symbols: Tensor
    rate_stream: bytes
    z_stream: bytes | None
    gain_code: int
    image_size: tuple[int, int]
    fingerprint: bytes
    snr_db: float | None = None

    def __post_init__(self) -> None:
        if self.symbols.ndim != 1 or self.symbols.dtype != torch.complex64:
            got = f"{tuple(self.symbols.shape)} {self.symbols.dtype}"
            raise ValueError(f"expected symbols (K,) complex64, got {got}")
        if not torch.isfinite(torch.view_as_real(self.symbols)).all():
            raise ValueError("expected finite symbols, got NaN or infinity")
        if self.symbols.numel() and (largest := float(self.symbols.abs().max())) > MAX_SYMBOL:
            raise ValueError(f"expected symbols up to {MAX_SYMBOL:g}, got {largest:.3g}")
        if not 0 <= self.gain_code <= 255:
            raise ValueError(f"expected a gain code in 0..255, got {self.gain_code}")
        if len(self.image_size) != 2 or not all(1 <= n <= MAX_SIDE for n in self.image_size):
            raise ValueError(
                f"expected an image size (H, W) in 1..{MAX_SIDE}, got {self.image_size}"
            )
        if len(self.fingerprint) != FINGERPRINT_BYTES:
            raise ValueError(
                f"expected a fingerprint of {FINGERPRINT_BYTES} bytes, got {len(self.fingerprint)}"
            )
        longest = max(len(self.rate_stream), len(self.z_stream or b""))
        if longest > MAX_STREAM_BYTES:
            raise ValueError(f"expected streams up to {MAX_STREAM_BYTES} bytes, got {longest}")
        if self.snr_db is not None and not math.isfinite(self.snr_db):
            raise ValueError(f"expected a finite snr_db or none, got {self.snr_db}")
        if self.snr_db is not None and not SNR_RANGE_DB[0] <= self.snr_db <= SNR_RANGE_DB[1]:
            raise ValueError(f"expected snr_db in {list(SNR_RANGE_DB)}, got {self.snr_db:g}")

    @property
    def side_bits(self) -> int:
        """Bits of the side information: header, lengths, streams and checksum."""
        return 8 * len(self._side_bytes())

    def channel_uses(self, snr_db: float) -> int:
        """Complex channel uses of the whole packet, `K + ceil(side_bits / log2(1 + SNR))`.

        The side information travels at the capacity of the same channel.
        """
        return self.symbols.numel() + uses_at_capacity(self.side_bits, snr_db=snr_db)

    def cbr(self, snr_db: float) -> float:
        """Channel bandwidth ratio: complex channel uses over `3 * H * W`."""
        height, width = self.image_size
        return self.channel_uses(snr_db) / (3 * height * width)

    def to_bytes(self) -> bytes:
        """Return the bytes of the packet file."""
        payload = self.symbols.detach().cpu().numpy().astype("<c8").tobytes()
        snr_db = math.nan if self.snr_db is None else self.snr_db
        checksum = zlib.crc32(struct.pack("<d", snr_db), zlib.crc32(payload))
        return self._side_bytes() + payload + _TRAILER.pack(snr_db, checksum)

    @classmethod
    def from_bytes(cls, data: bytes, *, max_pixels: int = MAX_PIXELS) -> "Packet":
        """Read a packet file's bytes.

        Args:
            data: all bytes of the file.
            max_pixels: largest image that the packet may claim to hold.

        Raises:
            PacketError: the bytes are no packet, damaged, cut short or longer than they should be,
                or claim a larger image.
        """
        if not data.startswith(MAGIC):
            raise PacketError("not an LRISC packet")
        try:
            return cls._parse(data, max_pixels)
        except PacketError:
            raise
        except ValueError as error:
            raise PacketError(f"damaged packet: {error}") from error

    @classmethod
    def _parse(cls, data: bytes, max_pixels: int) -> "Packet":
        reader = ByteReader(data)
        reader.take(len(MAGIC))
        version = reader.take(1)[0]
        if version != VERSION:
            raise PacketError(f"expected packet version {VERSION}, got {version}")
        fingerprint = reader.take(FINGERPRINT_BYTES)
        gain_code = reader.take(1)[0]
        image_size = (reader.varint(), reader.varint())
        rate_stream = reader.take(reader.varint())
        z_stream = reader.take(reader.varint())
        checksum = zlib.crc32(data[: reader.position])
        if reader.take(4) != struct.pack("<I", checksum):
            raise ValueError("the checksum of the side information is wrong")
        try:
            check_pixels(*image_size, max_pixels)
        except ValueError as error:
            raise PacketError(str(error)) from error
        symbols, snr_db = _read_symbols(data[reader.position :])
        return cls(symbols, rate_stream, z_stream, gain_code, image_size, fingerprint, snr_db)

    def _side_bytes(self) -> bytes:
        """The side part, its checksum last."""
        if self.z_stream is None:
            raise ValueError("expected a packet with z, got one that lost it")
        height, width = self.image_size
        side = b"".join(
            [
                MAGIC,
                bytes([VERSION]),
                self.fingerprint,
                bytes([self.gain_code]),
                encode_varint(height),
                encode_varint(width),
                encode_varint(len(self.rate_stream)),
                self.rate_stream,
                encode_varint(len(self.z_stream)),
                self.z_stream,
            ]
        )
        return side + struct.pack("<I", zlib.crc32(side))


def write_packet(packet: Packet, path: str | os.PathLike[str]) -> None:
    """Write a packet file, whole or not at all.

    Raises:
        PacketError: the file cannot be written.
    """
    try:
        write_atomically(path, packet.to_bytes())
    except OSError as error:
        raise PacketError(f"{path}: cannot be written ({error.strerror or error})") from error


def read_packet(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Packet:
    """Read a packet file.

    Args:
        path: of the file.
        max_pixels: largest image that the packet may claim to hold.

    Raises:
        PacketError: the file is missing, unreadable, no packet, damaged, or claims a larger image;
            names the file.
    """
    path = Path(path)
    if not path.exists():
        raise PacketError(f"{path}: no such file")
    if not path.is_file():
        raise PacketError(f"{path}: expected a packet file, got a folder or a device")
    try:
        with path.open("rb") as stream:
            start = stream.read(len(MAGIC))
            data = start if start != MAGIC else start + stream.read()
        return Packet.from_bytes(data, max_pixels=max_pixels)
    except OSError as error:
        raise PacketError(f"{path}: cannot be read ({error.strerror or error})") from error
    except PacketError as error:
        raise PacketError(f"{path}: {error}") from error


def _read_symbols(data: bytes) -> tuple[Tensor, float | None]:
    """Split symbols and trailer, and check both."""
    payload_bytes = len(data) - _TRAILER.size
    if payload_bytes < 0 or payload_bytes % _SYMBOL_BYTES:
        raise ValueError("cut short or too long")
    payload = data[:payload_bytes]
    snr_db, checksum = _TRAILER.unpack(data[payload_bytes:])
    if zlib.crc32(data[payload_bytes:-4], zlib.crc32(payload)) != checksum:
        raise ValueError("the checksum of the symbols is wrong")
    symbols = torch.from_numpy(np.frombuffer(payload, dtype="<c8").astype(np.complex64))
    return symbols, None if math.isnan(snr_db) else snr_db
