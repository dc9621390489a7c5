"""Shift a sampled waveform in frequency, or in time by a fraction of a sample."""

import math

import torch
from torch import Tensor


def shift_frequency(samples: Tensor, offset: float) -> Tensor:
    """Shift samples `(n,)` by `offset` cycles per sample; the first sample keeps its phase."""
    turns = offset * torch.arange(len(samples), dtype=torch.float64)
    return samples * torch.polar(torch.ones_like(turns), 2 * math.pi * turns)


def fractional_delay(samples: Tensor, delay: float) -> Tensor:
    """Delay samples `(n,)` by a fraction of a sample, band-limited and cyclic."""
    frequency = torch.fft.fftfreq(len(samples), dtype=torch.float64)
    phase = torch.polar(torch.ones_like(frequency), -2 * math.pi * frequency * delay)
    return torch.fft.ifft(torch.fft.fft(samples) * phase)
