"""Equalise the cells of a frame under a channel of several paths that changes along it.

A block of 256 symbols is equalised in the frequency domain, with the paths that it has at its
middle. The gain that all paths have in common is undone symbol by symbol, before its phase and
afterwards its amplitude.
"""

import numpy as np
from numpy.typing import NDArray

from lrisc_system.radio.known_symbols import MARGIN
from lrisc_system.radio.tracking import Array, Reals, TapTrack

BLOCK = 256


def equalize(
    samples: Array, track: TapTrack, delays: NDArray[np.int64], noise_power: float
) -> tuple[Array, Reals]:
    """Estimate unit-power symbols by least mean square error, without bias.

    Args:
        samples: `(n + 2 MARGIN,)`, the frame with MARGIN at either end.
        track: taps along the frame.
        delays: of the taps, in symbols, `(A,)`.
        noise_power: of a sample.

    Returns:
        The n symbols of the frame, and the noise power of each.
    """
    if not delays.any():
        return _divide(samples, track, noise_power)
    length = len(samples) - 2 * MARGIN
    times = np.arange(-MARGIN, length + MARGIN, dtype=float)
    blocks = -(-length // BLOCK)
    middles = np.minimum(np.arange(blocks) * BLOCK + BLOCK / 2, length)
    taps = track.at(middles)  # (B, A)
    mean = taps.mean(0) if len(track.times) == 1 else track.taps.mean(0)
    shape = track.taps[np.abs(track.taps @ mean.conj()).argmax()]  # of all paths together
    common = track.at(times) @ shape.conj() / (np.abs(shape) ** 2).sum()  # (n + 2 MARGIN,)
    at_middle = taps @ shape.conj() / (np.abs(shape) ** 2).sum()  # (B,)

    short = blocks * BLOCK - length
    samples = np.pad(samples, (0, short))
    gain = np.pad(common, (0, short), mode="edge")
    index = np.arange(blocks)[:, None] * BLOCK + np.arange(BLOCK + 2 * MARGIN)
    ratio = gain[index] / at_middle[:, None]
    phase = ratio / np.maximum(np.abs(ratio), 1e-30)
    spectrum = np.fft.fft(samples[index] / phase, axis=1)

    response = np.zeros((blocks, BLOCK + 2 * MARGIN), dtype=complex)
    response[:, delays % response.shape[1]] = taps
    response = np.fft.fft(response, axis=1)
    power = np.abs(response) ** 2
    noise = noise_power + track.error_power(middles)[:, None]
    weights = response.conj() / (power + noise)
    bias = (power / (power + noise)).mean(1, keepdims=True)
    symbols = np.fft.ifft(spectrum * weights, axis=1) / bias
    amplitude = np.maximum(np.abs(ratio), 1e-6)
    symbols = (symbols / amplitude)[:, MARGIN:-MARGIN].reshape(-1)[:length]
    error = ((1 - bias) / bias / amplitude**2)[:, MARGIN:-MARGIN].reshape(-1)[:length]
    return symbols, error


def _divide(samples: Array, track: TapTrack, noise_power: float) -> tuple[Array, Reals]:
    """Equalise under a channel of one path: divide by its gain."""
    times = np.arange(len(samples) - 2 * MARGIN, dtype=float)
    gain = track.at(times)[:, 0]
    gain = np.where(np.abs(gain) < 1e-15, 1e-15, gain)
    noise = noise_power + track.error_power(times)
    return samples[MARGIN:-MARGIN] / gain, noise / np.abs(gain) ** 2
