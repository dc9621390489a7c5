import pytest
import torch

from lrisc_system.radio.framing import (
    PILOT_SPACING,
    PREAMBLE_LENGTH,
    PREAMBLE_ROOT,
    build_frame,
    frame_layout,
    zadoff_chu,
)


def test_zadoff_chu_by_hand():
    # Chu 1972 for length 3, root 1: n (n + 1) / 3 = 0, 2/3, 2, so 1, exp(-2 pi i / 3), 1.
    expected = torch.tensor([1, -0.5 - 0.75**0.5 * 1j, 1], dtype=torch.complex128)
    assert torch.allclose(zadoff_chu(3, root=1), expected)


def test_zadoff_chu_has_unit_amplitude_and_no_cyclic_sidelobes():
    sequence = zadoff_chu(PREAMBLE_LENGTH, root=PREAMBLE_ROOT)
    assert torch.allclose(sequence.abs(), torch.ones(PREAMBLE_LENGTH, dtype=torch.float64))
    correlation = torch.fft.ifft(torch.fft.fft(sequence).abs().square()).abs()
    assert correlation[0].item() == pytest.approx(PREAMBLE_LENGTH)
    assert correlation[1:].max() < 1e-9


@pytest.mark.parametrize(("length", "root"), [(4, 1), (9, 3), (9, 0), (9, 9), (-1, 1)])
def test_wrong_sequence(length, root):
    with pytest.raises(ValueError, match="expected"):
        zadoff_chu(length, root=root)


@pytest.mark.parametrize(
    ("symbols", "pilots"),
    [(0, 0), (1, 1), (30, 1), (31, 1), (32, 2), (62, 2), (63, 3), (8192, 265)],
)
def test_every_channel_use_is_counted(symbols, pilots):
    layout = frame_layout(symbols)
    assert layout.overhead == PREAMBLE_LENGTH + pilots
    assert layout.length == PREAMBLE_LENGTH + pilots + symbols
    assert bool(layout.is_known[-1])


def test_no_symbol_is_far_from_a_pilot():
    payload = frame_layout(1000).is_known[PREAMBLE_LENGTH:]
    positions = payload.nonzero()[:, 0]
    assert positions[0] == PILOT_SPACING - 1
    assert positions.diff().max() == PILOT_SPACING


def test_a_frame_holds_symbols_in_order_between_known_ones():
    symbols = torch.randn(100, dtype=torch.complex64)
    layout, frame = frame_layout(100), build_frame(symbols)
    assert torch.equal(frame[~layout.is_known], symbols)
    assert torch.allclose(frame[layout.is_known].abs(), torch.ones(layout.overhead))
    assert (layout.known[~layout.is_known] == 0).all()


def test_a_negative_number_of_symbols():
    with pytest.raises(ValueError, match="number of symbols, got -1"):
        frame_layout(-1)
