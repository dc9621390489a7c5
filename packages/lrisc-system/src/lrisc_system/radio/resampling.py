"""Shift samples in frequency and in time, and sample a recording once per symbol."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

GUARD = 1024  # symbols at either end of a segment, which hold the tails of band-limited pulses
SEGMENT = 6144  # symbols of a segment; with both guards a power of two
TAYLOR_ERROR = 1e-4  # of a signal at the edge of the band, where a drift is a Taylor series


def shift_frequency(samples: Tensor, offset: float) -> Tensor:
    """Shift samples `(n,)` by `offset` cycles per sample; the first sample keeps its phase."""
    turns = offset * torch.arange(len(samples), dtype=torch.float64)
    return samples * torch.polar(torch.ones_like(turns), 2 * math.pi * (turns % 1)).to(
        samples.dtype
    )


def fractional_delay(samples: Tensor, delay: float) -> Tensor:
    """Delay samples `(n,)` by a fraction of a sample, band-limited and cyclic."""
    frequency = torch.fft.fftfreq(len(samples), dtype=torch.float64)
    phase = torch.polar(torch.ones_like(frequency), -2 * math.pi * frequency * delay)
    return torch.fft.ifft(torch.fft.fft(samples) * phase)


def root_raised_cosine(frequency: Tensor, *, rolloff: float) -> Tensor:
    """Amplitude response of the root-raised-cosine filter, 1 in the pass band.

    Args:
        frequency: in cycles per symbol, any shape, real.
        rolloff: excess bandwidth over one cycle per symbol, in 0..1.
    """
    if not 0 <= rolloff <= 1:
        raise ValueError(f"expected a roll-off in 0..1, got {rolloff}")
    edge = (frequency.abs() - (1 - rolloff) / 2) / max(rolloff, 1e-9)  # 0..1 over the transition
    return torch.cos(math.pi / 2 * edge.clamp(0, 1))


@dataclass(frozen=True)
class SymbolClock:
    """When the symbols of a frame arrive in a recording, and at which carrier frequency.

    Symbol `k` lies at sample `start + oversampling * k * (1 + drift)`.

    Args:
        start: position of symbol 0, in samples.
        carrier_offset: in cycles per sample.
        drift: how much longer the symbols last on the receiver's clock; 20 ppm is 2e-5.
        oversampling: samples per symbol.
        rolloff: of the matched root-raised-cosine filter; no filter at one sample per symbol.
    """

    start: float
    carrier_offset: float
    drift: float = 0.0
    oversampling: int = 1
    rolloff: float = 0.25

    def moved(
        self, *, delay: float = 0.0, offset: float = 0.0, drift: float = 0.0
    ) -> "SymbolClock":
        """Correct by a delay in symbols, an offset in cycles per symbol, and a drift."""
        return replace(
            self,
            start=self.start + delay * self.oversampling,
            carrier_offset=self.carrier_offset + offset / self.oversampling,
            drift=self.drift + drift,
        )

    def position(self, symbol: float) -> float:
        """Position of a symbol in the recording, in samples."""
        return self.start + self.oversampling * symbol * (1 + self.drift)

    def sample(self, recording: Tensor, first: int, count: int) -> Tensor:
        """Sample symbols first..first + count: `(n,)` complex -> `(count,)` complex.

        Carrier offset and drift are undone, the matched filter is applied. Beyond its ends the
        recording counts as silent.
        """
        if self.drift == 0 and count <= 2 * SEGMENT:
            return self._segment(recording, first, count)
        segments = [
            self._segment(recording, start, min(SEGMENT, first + count - start))
            for start in range(first, first + count, SEGMENT)
        ]
        return torch.cat(segments) if segments else recording[:0]

    def _segment(self, recording: Tensor, first: int, count: int) -> Tensor:
        length = _fast_length(count + 2 * GUARD)  # in symbols
        middle = self.position(first + count / 2)
        begin = round(middle - self.oversampling * count / 2)
        fraction = middle - self.oversampling * count / 2 - begin  # of a sample
        samples = cut(recording, begin - GUARD * self.oversampling, length * self.oversampling)
        # The phase counts from sample 0 of the recording, so that segments fit together.
        lead = self.carrier_offset * (begin - GUARD * self.oversampling)
        turn = complex(math.cos(2 * math.pi * lead), -math.sin(2 * math.pi * lead))
        spectrum = torch.fft.fft(shift_frequency(samples, -self.carrier_offset) * turn)
        # Cycles per sample; at the edge of the band a delay has no phase of its own.
        frequency = torch.fft.fftfreq(len(samples), dtype=torch.float64)
        phase = torch.polar(torch.ones_like(frequency), 2 * math.pi * frequency * fraction)
        if self.oversampling > 1:
            phase = phase * root_raised_cosine(frequency * self.oversampling, rolloff=self.rolloff)
        spectrum = spectrum * phase.to(spectrum.dtype)
        derivative = (2j * math.pi * frequency).to(spectrum.dtype)
        step = self.oversampling * self.drift * (torch.arange(count) - count / 2)
        symbols = torch.zeros(count, dtype=spectrum.dtype)
        # Within half a segment a clock off by 20 ppm drifts 0.06 symbols, 0.19 radians at the edge.
        farthest = math.pi * self.oversampling * abs(self.drift) * count / 2
        term = 0
        while term == 0 or farthest**term / math.factorial(term) > TAYLOR_ERROR:
            folded = spectrum.view(self.oversampling, length).sum(0) / self.oversampling
            part = torch.fft.ifft(folded)[GUARD : GUARD + count]
            symbols = symbols + part * (step**term / math.factorial(term)).to(step.dtype)
            spectrum = spectrum * derivative
            term += 1
        return symbols


def cut(samples: Tensor, first: int, count: int) -> Tensor:
    """Cut `count` samples from `first` on, zeros beyond the ends: `(n,)` -> `(count,)`."""
    inside = samples[max(first, 0) : max(first + count, 0)]
    before = min(max(-first, 0), count)
    return torch.nn.functional.pad(inside, (before, count - before - len(inside)))


def _fast_length(length: int) -> int:
    """Smallest `2^a` or `3 * 2^a` that is not below `length`: an FFT of it is fast."""
    power = 2 ** math.ceil(math.log2(length))
    return 3 * power // 4 if 3 * power // 4 >= length else power
