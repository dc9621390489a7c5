"""A radio link on the desk: what a recording of a frame goes through between two real radios."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from jscc_ratetoken import AWGN
from lrisc_system.radio.estimation import GUARD
from lrisc_system.radio.framing import PREAMBLE_LENGTH
from lrisc_system.radio.waveforms import fractional_delay, shift_frequency


@dataclass(frozen=True)
class RadioLink:
    """Delay, scale, shift in frequency and add noise, as two radios without a common clock do.

    Args:
        gain: amplitude.
        phase: in radians.
        carrier_offset: in cycles per sample; 300 Hz at 1 MS/s is 0.0003.
        delay: samples before the frame, at least 0; a fraction is band-limited interpolation.
        tail: samples after the frame.
        phase_noise: standard deviation of the phase's step from sample to sample, in radians.
    """

    gain: float = 1.0
    phase: float = 0.0
    carrier_offset: float = 0.0
    delay: float = 0.0
    tail: int = 256
    phase_noise: float = 0.0

    def __post_init__(self) -> None:
        if not self.gain > 0:
            raise ValueError(f"expected a gain above 0, got {self.gain}")
        if self.delay < 0 or self.tail < 0:
            raise ValueError(f"expected delay and tail >= 0, got {self.delay} and {self.tail}")

    def record(self, frame: Tensor, snr_db: float, *, generator: Generator | None = None) -> Tensor:
        """Send a frame `(n,)` complex and record it, noise before and after included.

        Args:
            frame: with its preamble first, whose power is what `snr_db` refers to.
            snr_db: SNR in dB.
            generator: of the noise.

        Returns:
            The recording, `(n + delay rounded down + tail,)` complex64.
        """
        whole = math.floor(self.delay)
        air = torch.zeros(len(frame) + whole + self.tail + 2 * GUARD, dtype=torch.complex128)
        air[GUARD + whole : GUARD + whole + len(frame)] = frame
        air = fractional_delay(air, self.delay - whole)[GUARD:-GUARD]
        walk = torch.randn(len(air), dtype=torch.float64, generator=generator).cumsum(0)
        phase = self.phase + self.phase_noise * walk
        rotation = torch.polar(torch.ones_like(phase), phase)
        received = shift_frequency(air, self.carrier_offset) * rotation
        amplitude = frame[:PREAMBLE_LENGTH].abs().square().mean().sqrt()
        noisy = AWGN()((received / amplitude)[None], torch.tensor([snr_db]), generator=generator)[0]
        return (self.gain * amplitude * noisy).to(torch.complex64)
