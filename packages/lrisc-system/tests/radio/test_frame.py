from dataclasses import replace

import pytest
import torch

from lrisc_system.radio.frame import Frame, frame_uses
from lrisc_system.radio.framing import frame_layout
from lrisc_system.radio.header import HeaderError
from lrisc_system.radio.thresholds import UnreachableError


def test_channel_uses_by_hand(packet):
    """Preamble 251, then the cells with a pilot after every 31 and after the last."""
    frame = Frame.from_packet(packet, 10.0)
    header, side = frame.header, frame.header.side_symbols
    assert (header.rate_bytes, header.z_bytes) == (19, 12)
    assert side == header.rate_code.symbols(19) + header.z_code.symbols(12)
    assert len(frame.cells) == 134 + side + 1000
    assert frame.channel_uses == 251 + len(frame.cells) + -(-len(frame.cells) // 31)
    assert frame.channel_uses == len(frame.samples()) == frame_uses(packet, 10.0)
    assert frame.cbr() == frame.channel_uses / (3 * 48 * 64)


def test_the_cells_end_with_the_symbols(packet):
    frame = Frame.from_packet(packet, 10.0)
    assert torch.equal(frame.cells[-1000:], packet.symbols)
    assert frame.cells[:-1000].abs().square().mean() == pytest.approx(1, abs=0.1)
    samples = frame.samples()
    assert torch.equal(samples[~frame_layout(len(frame.cells)).is_known], frame.cells)


def test_a_margin_is_an_snr_less(packet):
    with_margin = Frame.from_packet(packet, 10.0, margin_db=4.0)
    without = Frame.from_packet(packet, 6.0, margin_db=0.0)
    assert torch.equal(with_margin.cells, without.cells)
    assert with_margin.channel_uses > Frame.from_packet(packet, 10.0, margin_db=0.0).channel_uses


def test_a_frame_without_symbols(packet):
    empty = replace(packet, symbols=packet.symbols[:0])
    frame = Frame.from_packet(empty, 10.0)
    assert len(frame.cells) == 134 + frame.header.side_symbols


def test_what_cannot_be_sent_is_refused(packet):
    with pytest.raises(UnreachableError, match="for coded side information"):
        Frame.from_packet(packet, -9.0)
    with pytest.raises(HeaderError, match="frame_number"):
        Frame.from_packet(packet, 10.0, frame_number=256)
    with pytest.raises(ValueError, match="expected a packet with z"):
        Frame.from_packet(replace(packet, z_stream=None), 10.0)
