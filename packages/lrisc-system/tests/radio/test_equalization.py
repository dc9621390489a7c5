import numpy as np
import pytest

from lrisc_system.radio.equalization import equalize
from lrisc_system.radio.known_symbols import MARGIN
from lrisc_system.radio.tracking import TapTrack


def still(*taps):
    """A channel that stands still and is known exactly."""
    taps = np.array([taps, taps], dtype=complex)
    size = taps.shape[1]
    none = np.zeros((size, size), dtype=complex)
    return TapTrack(np.array([0.0, 1000.0]), taps, np.stack([none, none]), none)


def symbols(count, seed=0):
    random = np.random.default_rng(seed)
    return (random.standard_normal(count) + 1j * random.standard_normal(count)) / 2**0.5


def sent_over(taps, noise_power, count=1000):
    sent = symbols(count + 2 * MARGIN)
    received = np.convolve(sent, taps)[: len(sent)]
    return sent[MARGIN:-MARGIN], received + noise_power**0.5 * symbols(len(sent), 1)


def test_one_path_is_divided_out():
    sent, received = sent_over([2j], 0.04)
    equalised, noise = equalize(received, still(2j), np.array([0]), 0.04)
    assert np.allclose(noise, 0.01)
    assert (np.abs(equalised - sent) ** 2).mean() == pytest.approx(0.01, rel=0.1)


def test_several_paths_without_noise_are_undone():
    sent, received = sent_over([1, 0.3j, 0.1], 0)
    equalised, _ = equalize(received, still(1, 0.3j, 0.1), np.arange(3), 1e-9)
    assert np.abs(equalised - sent).max() < 1e-3


def test_the_noise_power_is_that_of_the_best_linear_estimate():
    """MMSE over the spectrum: 1 / mean(|H|^2 / (|H|^2 + noise)) - 1."""
    taps, noise_power = np.array([1, 0.3j, 0.1]), 0.1
    sent, received = sent_over(taps, noise_power, count=20_000)
    equalised, noise = equalize(received, still(*taps), np.arange(3), noise_power)
    power = np.abs(np.fft.fft(taps, 4096)) ** 2
    expected = 1 / (power / (power + noise_power)).mean() - 1
    assert noise.mean() == pytest.approx(expected, rel=1e-3)
    assert (np.abs(equalised - sent) ** 2).mean() == pytest.approx(expected, rel=0.05)
    assert (equalised * sent.conj()).mean().real == pytest.approx(1, abs=0.02)  # no bias


def test_a_gain_that_turns_within_a_block_is_undone_symbol_by_symbol():
    taps = np.array([[1, 0.3j], [1j, -0.3]], dtype=complex)
    none = np.zeros((2, 2, 2), dtype=complex)
    track = TapTrack(np.array([0.0, 256.0]), taps, none, none[0])
    sent = symbols(256 + 2 * MARGIN)
    gain = track.at(np.arange(-MARGIN, 256.0 + MARGIN))[:, 0]
    received = gain * np.convolve(sent, [1, 0.3j])[: len(sent)]
    equalised, noise = equalize(received, track, np.arange(2), 1e-6)
    error = np.abs(equalised - sent[MARGIN:-MARGIN])
    assert error.max() < 0.1
    assert noise[128] > noise[0]  # halfway the gain on the line is smaller
