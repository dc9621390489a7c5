"""Spread the JSCC symbols of a frame over its channel uses by a unitary transform.

    spread      s -> s[k] chirp[k] -> DFT -> interleaver -> cells
    despread    cells, weighted by 1 / (1 + noise power) -> ... -> s_hat, without bias

JSCC symbols have rare large values: a constellation or an amplifier would cut them, and they make
the peaks of a frame. A sum of all symbols is close to Gaussian whatever they are. Noise, whose
power may differ from cell to cell, is shared by all symbols alike, so that one SNR describes them.
On white noise nothing changes, as the transform is unitary. The chirp has a flat spectrum and
spreads a mean or a period of the symbols, too. Without the interleaver each symbol would lie at one
frequency of the radio's band, and paths would weaken some symbols and not others.
"""

import math

import torch
from torch import Tensor

from lrisc_system.radio.soft_channel import Observation

PRIME = 2**31 - 1


def spread(symbols: Tensor) -> Tensor:
    """Turn symbols (K,) complex64 into as many cells of the same mean power."""
    if not len(symbols):
        return symbols
    cells = torch.fft.fft(symbols * _chirp(len(symbols)), norm="ortho")
    return cells[_interleaver(len(cells))]


def despread(seen: Observation) -> Observation:
    """Turn observed cells (K,) back into symbols, of one noise power.

    Cells are weighted by least mean square error, for symbols of unit power, and the bias of the
    weights is undone: the noise power is `(1 - b) / b`, `b` the mean of `1 / (1 + noise power)`.
    """
    if not len(seen.symbols):
        return seen
    weight = 1 / (1 + seen.noise_power.double())
    unbiased = weight / weight.mean()
    weighted = seen.symbols * unbiased.to(seen.symbols.real.dtype)
    cells = torch.empty_like(weighted)
    cells[_interleaver(len(cells))] = weighted
    symbols = torch.fft.ifft(cells, norm="ortho") * _chirp(len(cells)).conj()
    return Observation(symbols, torch.full_like(seen.noise_power, mean_noise(seen.noise_power)))


def mean_noise(noise_power: Tensor) -> float:
    """Noise power of symbols that were spread over cells of noise power (K,), at least one."""
    noise = noise_power.double()
    kept = float((1 / (1 + noise)).mean())
    lost = float((noise / (1 + noise)).mean())
    return lost / kept


def _chirp(length: int) -> Tensor:
    """Zadoff-Chu sequence of any length, complex64: its DFT has equal amplitudes."""
    k = torch.arange(length)
    turns = (k * (k + length % 2) % (2 * length)).double() / (2 * max(length, 1))
    return torch.polar(torch.ones_like(turns), -2 * math.pi * turns).to(torch.complex64)


def _interleaver(length: int) -> Tensor:
    """A permutation of 0..length - 1 without order: its keys are a quadratic polynomial mod p."""
    k = torch.arange(length)
    keys = (k * k % PRIME * 48271 + k * 16807) % PRIME
    return torch.argsort(keys, stable=True)
