import numpy as np
import pytest

from lrisc_system.radio.framing import FrameLayout, preamble
from lrisc_system.radio.known_symbols import MARGIN, KnownSymbols

LAYOUT = FrameLayout()


def test_the_preamble_is_ten_groups_and_every_run_of_pilots_one():
    known = KnownSymbols.of(LAYOUT, 600)
    assert known.positions.shape == (12, 25)
    assert known.used.sum(1).tolist() == [25] * 10 + [8] * 2
    assert known.times[0] == 12
    assert known.times[-1] == pytest.approx(250 + 248 + 256 + 3.5)


def test_what_is_known_and_what_is_not():
    known = KnownSymbols.of(LAYOUT, 300)
    inside = known.unknown[MARGIN:-MARGIN]
    assert inside.sum() == 300
    assert known.unknown[:MARGIN].sum() == 0  # silence before the frame
    assert np.allclose(known.symbols[MARGIN : MARGIN + 250], preamble().numpy())


def test_paths_bring_earlier_symbols():
    known = KnownSymbols.of(LAYOUT, 300)
    delays = np.array([0, 1, -1])
    sent = np.concatenate([preamble().numpy(), [0]])  # and a cell
    behind = known.behind(delays)
    assert np.allclose(behind[0, 5], [sent[5], sent[4], sent[6]])
    assert behind[0, 0, 1] == 0
    # Behind the last symbol of the preamble, a path ahead of time brings a cell of unit power.
    noise = known.noise(delays, np.array([1, 0.5, 0.25j]), 0.1)
    assert noise[9, 24] == pytest.approx(0.1 + 0.0625)
    assert noise[5, 5] == pytest.approx(0.1)


def test_the_derivative_tells_a_delay():
    """A tone's derivative is i omega times it, as far as eight neighbours tell."""
    known = KnownSymbols.of(LAYOUT, 0)
    tone = np.exp(0.5j * np.arange(len(known.symbols)))
    known.symbols[:] = tone
    derivative = known.derivative(np.zeros(1, dtype=int))[4, :, 0]
    expected = 0.5j * tone[MARGIN + known.positions[4]]
    assert np.abs(derivative - expected).max() < 0.15
