from dataclasses import replace

import pytest
import torch

from lrisc_system.radio import frame as frame_module
from lrisc_system.radio.amplifier import papr_db
from lrisc_system.radio.frame import Frame, frame_uses
from lrisc_system.radio.framing import FrameLayout
from lrisc_system.radio.header import HeaderError
from lrisc_system.radio.single_carrier import SingleCarrier
from lrisc_system.radio.spreading import spread
from lrisc_system.radio.thresholds import UnreachableError


def test_channel_uses_by_hand(packet):
    """Preamble 250, then the cells with 8 pilots between two runs of 248."""
    frame = Frame.from_packet(packet, 10.0)
    header, side = frame.header, frame.header.side_symbols
    assert (header.rate_bytes, header.z_bytes) == (19, 12)
    assert header.z_code is None
    assert side == header.rate_code.symbols(31)
    assert len(frame.cells) == 94 + side + 1000
    assert 992 < len(frame.cells) <= 1240  # five runs
    assert frame.channel_uses == 250 + len(frame.cells) + 4 * 8
    assert frame.channel_uses == len(frame.samples()) == frame_uses(packet, 10.0)
    assert frame.cbr() == frame.channel_uses / (3 * 48 * 64)


def test_long_side_information_is_coded_apart(packet, monkeypatch):
    together = Frame.from_packet(packet, 10.0).header.side_symbols
    monkeypatch.setattr(frame_module, "MOST_BYTES_TOGETHER", 30)
    header = Frame.from_packet(packet, 10.0).header
    assert header.z_code is not None
    apart = header.rate_code.symbols(19) + header.z_code.symbols(12)
    assert header.side_symbols == apart > together + 30


def test_the_cells_end_with_the_symbols_spread(packet):
    frame = Frame.from_packet(packet, 10.0)
    assert torch.equal(frame.cells[-1000:], spread(packet.symbols))
    assert frame.cells[:-1000].abs().square().mean() == pytest.approx(1, abs=0.1)
    samples = frame.samples()
    positions = FrameLayout().cell_positions(0, len(frame.cells))
    assert torch.equal(samples[positions], frame.cells)


def test_a_frame_of_more_samples_than_channel_uses(packet):
    """Two samples per symbol, and 8 symbols for the first pulse and for the last."""
    frame = Frame.from_packet(packet, 10.0, waveform=SingleCarrier(oversampling=2))
    assert frame.channel_uses == Frame.from_packet(packet, 10.0).channel_uses + 16
    assert len(frame.samples()) == 2 * frame.channel_uses


def test_a_finite_constellation(packet):
    frame = Frame.from_packet(packet, 10.0, constellation=16)
    assert frame.header.constellation == 16
    assert len(torch.view_as_real(frame.cells[-1000:]).unique(dim=0)) == 16
    assert frame.channel_uses == frame_uses(packet, 10.0)
    with pytest.raises(HeaderError, match="16, 64 or 256 points, got 32"):
        Frame.from_packet(packet, 10.0, constellation=32)


def test_peaks_are_clipped(packet):
    frame = Frame.from_packet(packet, 10.0, max_papr_db=4.0)
    assert papr_db(Frame.from_packet(packet, 10.0).samples()) > 6
    assert papr_db(frame.samples()) == pytest.approx(4, abs=0.3)  # the mean has fallen
    with pytest.raises(ValueError, match="PAPR of at least 0 dB, got -1"):
        Frame.from_packet(packet, 10.0, max_papr_db=-1.0)


def test_a_margin_is_an_snr_less(packet):
    with_margin = Frame.from_packet(packet, 10.0, margin_db=4.0)
    without = Frame.from_packet(packet, 6.0, margin_db=0.0)
    assert torch.equal(with_margin.cells, without.cells)
    assert with_margin.channel_uses > Frame.from_packet(packet, 10.0, margin_db=0.0).channel_uses


def test_a_frame_without_symbols(packet):
    empty = replace(packet, symbols=packet.symbols[:0])
    frame = Frame.from_packet(empty, 10.0)
    assert len(frame.cells) == 94 + frame.header.side_symbols


def test_what_cannot_be_sent_is_refused(packet):
    with pytest.raises(UnreachableError, match="for coded side information"):
        Frame.from_packet(packet, -9.0)
    with pytest.raises(HeaderError, match="frame_number"):
        Frame.from_packet(packet, 10.0, frame_number=256)
    with pytest.raises(ValueError, match="expected a packet with z"):
        Frame.from_packet(replace(packet, z_stream=None), 10.0)
