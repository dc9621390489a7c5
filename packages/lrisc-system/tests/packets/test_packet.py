import math
import struct
import zlib
from dataclasses import replace

import pytest
import torch

from lrisc_system.packets.packet import Packet, PacketError, read_packet, write_packet


@pytest.fixture
def packet():
    generator = torch.Generator().manual_seed(0)
    return Packet(
        symbols=torch.randn(50, dtype=torch.complex64, generator=generator),
        rate_stream=b"rates",
        z_stream=bytes(range(200)),
        gain_code=77,
        image_size=(512, 768),
        fingerprint=b"\x01\x02\x03\x04",
    )


def same(a, b):
    return torch.equal(a.symbols, b.symbols) and (
        a.rate_stream,
        a.z_stream,
        a.gain_code,
        a.image_size,
        a.fingerprint,
        a.snr_db,
    ) == (b.rate_stream, b.z_stream, b.gain_code, b.image_size, b.fingerprint, b.snr_db)


def test_bytes_round_trip(packet):
    assert same(Packet.from_bytes(packet.to_bytes()), packet)
    received = replace(packet, snr_db=10.1)
    assert Packet.from_bytes(received.to_bytes()).snr_db == 10.1


def test_an_empty_packet_round_trips(packet):
    empty = replace(packet, symbols=packet.symbols[:0], rate_stream=b"", z_stream=b"")
    assert same(Packet.from_bytes(empty.to_bytes()), empty)


def test_side_bits_count_every_byte_beside_the_symbols(packet):
    # magic 2, version 1, fingerprint 4, gain 1, height 2, width 2, lengths 1 + 2, CRC 4
    assert packet.side_bits == 8 * (19 + 5 + 200)
    # The file adds the symbols and its own 12 bytes of trailer.
    assert len(packet.to_bytes()) == packet.side_bits // 8 + 8 * 50 + 12


def test_channel_uses_by_hand(packet):
    # log2(1 + 10^(4.77121/10)) = log2(4) = 2 bits per use: 1792 / 2 = 896
    snr_db = 10 * math.log10(3)
    assert packet.channel_uses(snr_db - 1e-9) in (50 + 896, 50 + 897)
    assert packet.channel_uses(snr_db + 1e-6) == 50 + 896
    # 0 dB: 1 bit per use
    assert packet.channel_uses(0.0) == 50 + 1792
    assert packet.cbr(0.0) == 1842 / (3 * 512 * 768)


def test_channel_uses_refuse_an_impossible_snr(packet):
    for snr_db in (math.nan, math.inf, -math.inf, 1000.0):
        with pytest.raises(ValueError, match="expected snr_db in"):
            packet.channel_uses(snr_db)


def test_the_receivers_snr_costs_nothing(packet):
    assert replace(packet, snr_db=10.0).side_bits == packet.side_bits


def test_every_flipped_byte_is_noticed(packet):
    data = packet.to_bytes()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        with pytest.raises(PacketError):
            Packet.from_bytes(bytes(damaged))


def test_every_truncation_is_noticed(packet):
    data = packet.to_bytes()
    for length in range(len(data)):
        with pytest.raises(PacketError):
            Packet.from_bytes(data[:length])


def test_appended_and_foreign_bytes_are_noticed(packet):
    data = packet.to_bytes()
    for tail in (b"\n", bytes(8), data):
        with pytest.raises(PacketError, match="damaged packet"):
            Packet.from_bytes(data + tail)
    for foreign in (b"", b"L", b"\x89PNG\r\n\x1a\n" + bytes(100), b"text" * 100):
        with pytest.raises(PacketError, match="not an LRISC packet"):
            Packet.from_bytes(foreign)


def test_another_version_is_named(packet):
    data = bytearray(packet.to_bytes())
    data[2] = 9
    with pytest.raises(PacketError, match="expected packet version 1, got 9"):
        Packet.from_bytes(bytes(data))


def test_a_forged_length_cannot_ask_for_memory():
    forged = b"LR\x01" + bytes(5) + b"\x10\x10" + b"\xff\xff\xff\x7f"
    with pytest.raises(PacketError, match="cut short"):
        Packet.from_bytes(forged)
    with pytest.raises(PacketError, match="a length in the header is wrong"):
        Packet.from_bytes(b"LR\x01" + bytes(5) + b"\xff" * 8)


def test_a_forged_size_with_a_good_checksum_is_refused():
    side = b"LR\x01" + bytes(5) + b"\x00\x10" + b"\x00\x00"  # height 0
    side += struct.pack("<I", zlib.crc32(side))
    snr = struct.pack("<d", math.nan)
    with pytest.raises(PacketError, match="expected an image size"):
        Packet.from_bytes(side + snr + struct.pack("<I", zlib.crc32(snr)))


def test_a_packet_may_not_claim_more_pixels_than_the_limit(packet, tmp_path):
    data = replace(packet, image_size=(65535, 65535), symbols=packet.symbols[:0]).to_bytes()
    with pytest.raises(PacketError, match=r"^expected at most 89478485 pixels \(--max-pixels\)"):
        Packet.from_bytes(data)
    small = packet.to_bytes()  # 512 x 768
    assert Packet.from_bytes(small, max_pixels=512 * 768).image_size == (512, 768)
    with pytest.raises(PacketError, match=r"393215 pixels .* got 768 x 512"):
        Packet.from_bytes(small, max_pixels=512 * 768 - 1)
    (tmp_path / "a.lrisc").write_bytes(small)
    with pytest.raises(PacketError, match=r"a\.lrisc: expected at most 5 pixels"):
        read_packet(tmp_path / "a.lrisc", max_pixels=5)


@pytest.mark.parametrize("number", [3e38, -2e4, math.nan, math.inf])
def test_absurd_symbols_with_a_good_checksum_are_refused(packet, number):
    data = bytearray(packet.to_bytes())
    data[-12 - 8 : -12] = struct.pack("<ff", 0.5, number)
    payload = bytes(data[-12 - 8 * 50 : -4])
    data[-4:] = struct.pack("<I", zlib.crc32(payload))
    with pytest.raises(PacketError, match=r"damaged packet: expected (symbols up to|finite)"):
        Packet.from_bytes(bytes(data))


def test_files_round_trip_and_errors_name_the_file(tmp_path, packet):
    path = tmp_path / "a.lrisc"
    write_packet(packet, path)
    assert same(read_packet(path), packet)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PacketError, match=r"a\.lrisc: damaged packet: cut short"):
        read_packet(path)
    with pytest.raises(PacketError, match=r"b\.lrisc: no such file"):
        read_packet(tmp_path / "b.lrisc")
    with pytest.raises(PacketError, match="got a folder or a device"):
        read_packet(tmp_path)
    with pytest.raises(PacketError, match=r"a\.lrisc: cannot be written"):
        write_packet(packet, tmp_path / "gone" / "a.lrisc")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbols": torch.zeros(2, 2, dtype=torch.complex64)}, r"expected symbols \(K,\)"),
        ({"symbols": torch.zeros(2)}, "complex64, got"),
        ({"symbols": torch.full((2,), torch.nan, dtype=torch.complex64)}, "finite symbols"),
        ({"gain_code": 256}, r"gain code in 0\.\.255, got 256"),
        ({"image_size": (0, 5)}, "expected an image size"),
        ({"image_size": (5, 70000)}, "expected an image size"),
        ({"fingerprint": b"abc"}, "fingerprint of 4 bytes, got 3"),
        ({"snr_db": math.nan}, "finite snr_db or none"),
        ({"snr_db": 1e9}, r"expected snr_db in \[-20\.0, 40\.0\], got 1e\+09"),
        ({"symbols": torch.full((2,), 2e4 + 0j)}, "expected symbols up to 10000, got 2e"),
    ],
)
def test_impossible_packets_are_refused(packet, change, message):
    with pytest.raises(ValueError, match=message):
        replace(packet, **change)
