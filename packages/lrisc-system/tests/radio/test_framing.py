import pytest
import torch

from lrisc_system.radio.framing import (
    CHIRP_LENGTH,
    PREAMBLE_LENGTH,
    FrameLayout,
    chirp,
    preamble,
    zadoff_chu,
)


def test_zadoff_chu_by_hand():
    # Chu 1972 for length 3, root 1: n (n + 1) / 3 = 0, 2/3, 2, so 1, exp(-2 pi i / 3), 1.
    expected = torch.tensor([1, -0.5 - 0.75**0.5 * 1j, 1], dtype=torch.complex128)
    assert torch.allclose(zadoff_chu(3, root=1), expected)


def test_zadoff_chu_has_unit_amplitude_and_no_cyclic_sidelobes():
    sequence = chirp()
    assert torch.allclose(sequence.abs(), torch.ones(CHIRP_LENGTH, dtype=torch.float64))
    correlation = torch.fft.ifft(torch.fft.fft(sequence).abs().square()).abs()
    assert correlation[0].item() == pytest.approx(CHIRP_LENGTH)
    assert correlation[1:].max() < 1e-9


@pytest.mark.parametrize(("length", "root"), [(4, 1), (9, 3), (9, 0), (9, 9), (-1, 1)])
def test_wrong_sequence(length, root):
    with pytest.raises(ValueError, match="expected"):
        zadoff_chu(length, root=root)


def test_the_preamble_is_an_up_chirp_and_its_conjugate():
    up, down = preamble().split(CHIRP_LENGTH)
    assert torch.equal(down, up.conj())
    # The frequency rises from -1/2 to 1/2 cycle per symbol, 1/125 from one symbol to the next.
    frequency = (up[1:] * up[:-1].conj()).angle() / (2 * torch.pi)
    assert frequency[0].item() == pytest.approx(-62 / 125)
    assert torch.allclose(frequency.diff(), torch.full((123,), 1 / 125, dtype=torch.float64))


@pytest.mark.parametrize(
    ("cells", "runs"), [(0, 0), (1, 0), (248, 0), (249, 1), (496, 1), (497, 2), (22_928, 92)]
)
def test_every_channel_use_is_counted(cells, runs):
    layout = FrameLayout()
    assert layout.pilot_runs(cells) == runs
    assert layout.length(cells) == PREAMBLE_LENGTH + cells + 8 * runs
    assert layout.pilot_positions(cells).shape == (runs, 8)


def test_no_more_is_spent_than_251_samples_and_one_in_32():
    for cells in (1, 100, 3_000, 22_928, 100_000):
        assert FrameLayout().length(cells) <= 251 + cells * 32 / 31 + 1


def test_cells_preamble_and_pilots_share_no_position_and_leave_none():
    layout = FrameLayout(pilots=3, period=10)
    cells, pilots = layout.cell_positions(0, 50), layout.pilot_positions(50).flatten()
    everything = torch.cat([torch.arange(PREAMBLE_LENGTH), cells, pilots]).sort().values
    assert torch.equal(everything, torch.arange(layout.length(50)))
    assert pilots[:4].tolist() == [257, 258, 259, 267]


def test_a_longer_frame_begins_like_a_shorter_one():
    layout = FrameLayout()
    cells = torch.randn(1000, dtype=torch.complex64)
    short = layout.build(cells[:500])
    assert torch.equal(layout.build(cells)[: len(short)], short)


def test_a_frame_holds_cells_in_order_between_known_symbols():
    layout, cells = FrameLayout(), torch.randn(600, dtype=torch.complex64)
    frame = layout.build(cells)
    assert torch.equal(frame[layout.cell_positions(0, 600)].to(torch.complex64), cells)
    assert torch.equal(frame[layout.cell_positions(300, 5)].to(torch.complex64), cells[300:305])
    assert torch.equal(frame[layout.pilot_positions(600)], layout.pilot_symbols(2))


@pytest.mark.parametrize("wrong", [{"pilots": 0}, {"period": 8}])
def test_wrong_layouts(wrong):
    with pytest.raises(ValueError, match="expected 1 <= pilots < period"):
        FrameLayout(**wrong)


def test_a_negative_number_of_cells():
    with pytest.raises(ValueError, match="number of cells, got -1"):
        FrameLayout().length(-1)
