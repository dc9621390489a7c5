"""What lies between two antennas: any `(samples (n,) complex, generator) -> samples (n,)`.

Noise, carrier offset and the radios themselves are those of `impairments`. A channel's mean power
gain is 1.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import torch
from torch import Generator, Tensor

SINUSOIDS = 16  # of a Rayleigh process


class SampleChannel(Protocol):
    """Protocol of a channel at sample level."""

    def __call__(self, samples: Tensor, generator: Generator | None = None) -> Tensor:
        """Send samples `(n,)` complex; return as many."""
        ...


@dataclass(frozen=True)
class Taps:
    """A channel that stands still: `r[n] = sum_l taps[l] s[n - l]`, scaled to unit gain.

    Args:
        taps: complex gains, one sample apart; not all zero.
    """

    taps: tuple[complex, ...]

    def __post_init__(self) -> None:
        if not any(self.taps):
            raise ValueError(f"expected taps, not all zero, got {self.taps}")

    def __call__(self, samples: Tensor, generator: Generator | None = None) -> Tensor:
        """Filter samples `(n,)` complex."""
        norm = math.sqrt(sum(abs(tap) ** 2 for tap in self.taps))
        received = torch.zeros_like(samples)
        for delay, tap in enumerate(self.taps[: len(samples)]):
            received[delay:] += tap / norm * samples[: len(samples) - delay]
        return received


@dataclass(frozen=True)
class BlockFading:
    """Flat fading, one gain per block: Rayleigh, or Rician with a line of sight.

    Args:
        block: samples with the same gain; None for all of them.
        rice_factor: power of the line of sight over that of all other paths; 0 is Rayleigh.
    """

    block: int | None = None
    rice_factor: float = 0.0

    def __post_init__(self) -> None:
        if self.block is not None and self.block < 1:
            raise ValueError(f"expected a block of at least 1 sample, got {self.block}")
        if not self.rice_factor >= 0:
            raise ValueError(f"expected a Rice factor >= 0, got {self.rice_factor}")

    def __call__(self, samples: Tensor, generator: Generator | None = None) -> Tensor:
        """Multiply samples `(n,)` complex by their block's gain."""
        block = self.block or max(len(samples), 1)
        blocks = -(-len(samples) // block)
        scattered = torch.randn(blocks, dtype=torch.complex128, generator=generator)
        turns = torch.rand(blocks, dtype=torch.float64, generator=generator)
        direct = torch.polar(torch.ones_like(turns), 2 * math.pi * turns)
        gain = (math.sqrt(self.rice_factor) * direct + scattered) / math.sqrt(1 + self.rice_factor)
        return samples * gain.repeat_interleave(block)[: len(samples)].to(samples.dtype)


class DelayProfile(Enum):
    """Delays in ns and powers in dB of paths. Source: 3GPP TS 36.101, tables B.2.1-2 to B.2.1-4."""

    EPA = ((0, 30, 70, 90, 110, 190, 410), (0.0, -1.0, -2.0, -3.0, -8.0, -17.2, -20.8))
    EVA = (
        (0, 30, 150, 310, 370, 710, 1090, 1730, 2510),
        (0.0, -1.5, -1.4, -3.6, -0.6, -9.1, -7.0, -12.0, -16.9),
    )
    ETU = (
        (0, 50, 120, 200, 230, 500, 1600, 2300, 5000),
        (-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, -3.0, -5.0, -7.0),
    )

    @property
    def delays_s(self) -> tuple[float, ...]:
        """Delays of the paths in seconds."""
        return tuple(delay * 1e-9 for delay in self.value[0])

    @property
    def powers(self) -> tuple[float, ...]:
        """Mean powers of the paths; their sum is 1."""
        powers = [10 ** (power / 10) for power in self.value[1]]
        return tuple(power / sum(powers) for power in powers)


@dataclass(frozen=True)
class TappedDelayLine:
    """Paths of different delays, each of which fades on its own.

    Args:
        profile: delays and powers.
        sample_rate_hz: of the samples.
        doppler_hz: largest Doppler shift, speed over wavelength; 0 for a channel that stands still.
    """

    profile: DelayProfile
    sample_rate_hz: float
    doppler_hz: float = 0.0

    def __post_init__(self) -> None:
        if not self.sample_rate_hz > 0:
            raise ValueError(f"expected a sample rate above 0 Hz, got {self.sample_rate_hz}")
        if not 0 <= self.doppler_hz < self.sample_rate_hz / 2:
            raise ValueError(
                f"expected a Doppler shift from 0 Hz to half the sample rate, got {self.doppler_hz}"
            )

    def __call__(self, samples: Tensor, generator: Generator | None = None) -> Tensor:
        """Send samples `(n,)` complex; what arrives after the last of them is lost."""
        padding = math.ceil(max(self.profile.delays_s) * self.sample_rate_hz) + 64
        padded = torch.nn.functional.pad(samples.to(torch.complex128), (padding, padding))
        spectrum = torch.fft.fft(padded)
        frequency = torch.fft.fftfreq(len(padded), dtype=torch.float64)
        received = torch.zeros(len(samples), dtype=torch.complex128)
        doppler = self.doppler_hz / self.sample_rate_hz
        for delay, power in zip(self.profile.delays_s, self.profile.powers, strict=True):
            turns = frequency * delay * self.sample_rate_hz
            phase = torch.polar(torch.ones_like(turns), -2 * math.pi * turns)
            path = torch.fft.ifft(spectrum * phase)[padding : padding + len(samples)]
            gain = rayleigh_process(len(samples), doppler=doppler, generator=generator)
            received += math.sqrt(power) * gain * path
        return received.to(samples.dtype)


def rayleigh_process(count: int, *, doppler: float, generator: Generator | None = None) -> Tensor:
    """Complex gain of unit mean power with the Doppler spectrum of Jakes, complex128 `(count,)`.

    Its autocorrelation is `J_0(2 pi doppler n)`, taken over many realisations: a sum of sinusoids
    from evenly spread directions, turned at random. Source: Zheng and Xiao 2003. Without Doppler it
    is one complex Gaussian.

    Args:
        count: samples.
        doppler: largest shift, in cycles per sample.
        generator: of the realisation.
    """
    if doppler == 0:
        gain = torch.randn(1, dtype=torch.complex128, generator=generator)
        return gain.expand(count)
    turned = (torch.rand(1, dtype=torch.float64, generator=generator) - 0.5) * 2 * math.pi
    angle = (2 * math.pi * torch.arange(1, SINUSOIDS + 1) - math.pi + turned) / (4 * SINUSOIDS)
    time = 2 * math.pi * doppler * torch.arange(count, dtype=torch.float64)
    parts = []
    for shift in (angle.cos(), angle.sin()):
        phase = 2 * math.pi * torch.rand(SINUSOIDS, dtype=torch.float64, generator=generator)
        part = torch.zeros(count, dtype=torch.float64)
        for rate, start in zip(shift.tolist(), phase.tolist(), strict=True):
            part += torch.cos(time * rate + start)
        parts.append(part / math.sqrt(SINUSOIDS))
    return torch.complex(*parts)
