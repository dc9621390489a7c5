import math
from dataclasses import replace

import pytest
import torch

from lrisc_system.radio import frame as frame_module
from lrisc_system.radio.frame import Frame
from lrisc_system.radio.header import HeaderError
from lrisc_system.radio.received_frame import FrameLostError, read_header
from lrisc_system.radio.single_carrier import SingleCarrier
from lrisc_system.radio.soft_channel import Observation


class Seen:
    """A reception of cells as they are, with the noise power that is known of them."""

    start, carrier_offset, snr_db, gain = 0.0, 0.0, 10.0, 1.0

    def __init__(self, cells, noise_power=0.1):
        self.values, self.noise_power = cells, torch.full((len(cells),), noise_power)

    def cells(self, first, count):
        last = first + count
        return Observation(self.values[first:last], self.noise_power[first:last])


def damaged(frame, first, last):
    cells = frame.cells.clone()
    noise = torch.Generator().manual_seed(1)
    cells[first:last] = torch.randn(last - first, dtype=torch.complex64, generator=noise)
    return Seen(cells)


def test_a_packet_comes_back(packet):
    frame = Frame.from_packet(packet, 10.0, frame_number=3)
    received = read_header(Seen(frame.cells))
    assert received.header == frame.header
    assert received.cells == len(frame.cells)
    assert received.snr_db == pytest.approx(10)
    arrived = received.packet()
    assert torch.allclose(arrived.symbols, packet.symbols, atol=1e-5)
    assert replace(arrived, symbols=packet.symbols, snr_db=None).to_bytes() == packet.to_bytes()
    assert arrived.snr_db == pytest.approx(10)


@pytest.mark.parametrize("snr_db", [1.0, 4.0, 10.0, 19.0])
def test_a_packet_crosses_a_noisy_channel(packet, snr_db):
    """At the SNR that the transmitter was told, whatever codes it chose for it."""
    frame = Frame.from_packet(packet, snr_db, margin_db=0.0)
    power = 10 ** (-snr_db / 10)
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(frame.cells.shape, dtype=torch.complex64, generator=generator)
        received = read_header(Seen(frame.cells + power**0.5 * noise, power))
        assert received.header_format == frame.header_format
        arrived = received.packet()
        assert (arrived.rate_stream, arrived.z_stream) == (packet.rate_stream, packet.z_stream)


def test_the_snr_is_that_of_the_symbols(packet):
    """b = 1 / (1 + noise power): of two kinds of cells, and of 16 points, whose error counts."""
    frame = Frame.from_packet(packet, 10.0)
    seen = Seen(frame.cells)
    seen.noise_power[-500:] = 1.0
    mean = (1 / 1.1 + 1 / 2) / 2
    assert read_header(seen).snr_db == pytest.approx(10 * math.log10(mean / (1 - mean)), abs=1e-3)
    points = Frame.from_packet(packet, 10.0, constellation=16)
    noise = (0.1 + 0.1188) / (1 - 0.1188)
    expected = pytest.approx(-10 * math.log10(noise), abs=1e-3)
    assert read_header(Seen(points.cells)).snr_db == expected
    empty = Frame.from_packet(replace(packet, symbols=packet.symbols[:0]), 10.0)
    assert read_header(Seen(empty.cells)).snr_db == pytest.approx(10, abs=1e-3)


def test_lost_side_information_in_one_block(packet):
    frame = Frame.from_packet(packet, 10.0)
    first = frame.header_format.symbols
    received = read_header(damaged(frame, first, first + frame.header.side_symbols))
    with pytest.raises(FrameLostError, match="rate map"):
        received.packet(without_z=True)


def test_a_lost_rate_map_or_z_is_said_in_one_line(packet, monkeypatch):
    monkeypatch.setattr(frame_module, "MOST_BYTES_TOGETHER", 0)
    frame = Frame.from_packet(packet, 10.0, frame_number=3)
    first = frame.header_format.symbols
    rate = first + frame.header.rate_code.symbols(19)
    side = first + frame.header.side_symbols
    lost = "frame number 3 is lost: its {} does not decode"
    received = read_header(damaged(frame, first, rate))
    with pytest.raises(FrameLostError, match=lost.format("rate map")) as caught:
        received.packet(without_z=True)
    assert len(str(caught.value).splitlines()) == 1
    received = read_header(damaged(frame, rate, side))
    with pytest.raises(FrameLostError, match=lost.format("z")):
        received.packet()
    arrived = received.packet(without_z=True)
    assert (arrived.rate_stream, arrived.z_stream) == (packet.rate_stream, None)


def test_a_lost_header_is_no_frame(packet):
    frame = Frame.from_packet(packet, 10.0)
    with pytest.raises(HeaderError, match="no header checks"):
        read_header(damaged(frame, 0, len(frame.cells)))


def test_the_single_carrier_carries_it(packet):
    frame = Frame.from_packet(packet, 10.0)
    received = read_header(SingleCarrier().receive(frame.samples()))
    assert received.packet().z_stream == packet.z_stream
