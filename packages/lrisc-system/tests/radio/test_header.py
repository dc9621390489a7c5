from dataclasses import replace

import pytest
import torch

from lrisc_system.radio.header import HEADER_BITS, HEADER_FORMATS, Header, HeaderError
from lrisc_system.radio.side_codes import SIDE_CODES
from lrisc_system.radio.soft_channel import Observation
from lrisc_system.radio.thresholds import header_threshold_db


@pytest.fixture
def header():
    return Header(
        rate_code=SIDE_CODES[47],
        z_code=SIDE_CODES[5],
        symbols=4_194_303,
        image_size=(512, 16_383),
        rate_bytes=32_767,
        z_bytes=0,
        gain_code=255,
        frame_number=7,
        fingerprint=b"abcd",
        constellation=64,
    )


def observe(symbols, snr_db, seed=0):
    noise = torch.randn(
        symbols.shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed)
    )
    power = 10 ** (-snr_db / 10)
    return Observation(symbols + power**0.5 * noise, torch.full((len(symbols),), power))


def test_bits_by_hand(header):
    """Version 1, codes 47 and 5, the second constellation: 01 101111 | 000101 10."""
    data = header.to_bytes()
    assert len(data) == 20 == HEADER_BITS // 8
    assert data[:2] == bytes([0b01101111, 0b00010110])
    assert data[-6:-2] == b"abcd"
    assert Header.from_bytes(data) == header


def test_rate_map_and_z_may_share_a_code(header):
    together = replace(header, z_code=None, rate_bytes=30, z_bytes=20)
    assert Header.from_bytes(together.to_bytes()) == together
    assert together.side_symbols == SIDE_CODES[47].symbols(50)


def test_every_flipped_bit_is_noticed(header):
    data = header.to_bytes()
    for bit in range(HEADER_BITS):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(HeaderError, match="does not check"):
            Header.from_bytes(bytes(damaged))


def test_symbols_of_each_format():
    """160 information bits and 108, 162, 216 or 324 parity bits, two or four to a symbol."""
    sizes = [header_format.symbols for header_format in HEADER_FORMATS]
    assert sizes == [67, 81, 94, 134, 161, 242, 484, 726]


@pytest.mark.parametrize("header_format", HEADER_FORMATS)
def test_a_format_arrives_where_it_should(header, header_format):
    """From the SNR in the table of block errors on."""
    snr_db = header_threshold_db(header_format) + 0.2
    symbols = header_format.encode(header)
    assert len(symbols) == header_format.symbols
    assert symbols.abs().square().mean() == pytest.approx(1, abs=0.2)  # of few symbols
    for seed in range(20):
        assert header_format.decode(observe(symbols, snr_db, seed)) == header
    with pytest.raises(HeaderError):
        header_format.decode(observe(symbols, snr_db - 6))


@pytest.mark.parametrize("sent", HEADER_FORMATS)
def test_another_format_does_not_check(header, sent):
    """Not even the first copy of a header that is sent twice."""
    generator = torch.Generator().manual_seed(0)
    more = torch.randn(800, dtype=torch.complex64, generator=generator)
    symbols = torch.cat([sent.encode(header), more])
    for other in HEADER_FORMATS:
        seen = observe(symbols[: other.symbols], 20.0)
        if other == sent:
            assert other.decode(seen) == header
        else:
            with pytest.raises(HeaderError):
                other.decode(seen)


@pytest.mark.parametrize("symbols", [torch.zeros(726), torch.randn(726)])
def test_silence_and_noise_are_no_header(symbols):
    for header_format in HEADER_FORMATS:
        with pytest.raises(HeaderError):
            header_format.decode(observe(symbols[: header_format.symbols] + 0j, 10.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbols": 1 << 22}, r"expected symbols in 0\.\.4194303 for a frame, got 4194304"),
        ({"image_size": (16_384, 5)}, r"expected height in 0\.\.16383"),
        ({"image_size": (5, 0)}, "at least one pixel"),
        ({"rate_bytes": 1 << 15}, r"expected rate_bytes in 0\.\.32767"),
        ({"frame_number": -1}, "expected frame_number"),
        ({"fingerprint": b"abc"}, "fingerprint of 4 bytes, got 3"),
    ],
)
def test_what_has_no_room_is_refused(header, change, message):
    with pytest.raises(HeaderError, match=message):
        replace(header, **change)


def test_versions_and_codes_of_the_future_are_refused(header):
    import lrisc_system.radio.header as module

    data = header.to_bytes()
    for first, message in ((0b11, "expected frame version 1, got 3"), (0b01, "a code that does")):
        content = bytes([first << 6 | 0b111111, *data[1:-2]])
        with pytest.raises(HeaderError, match=message):
            Header.from_bytes(content + module.checksum(content))
