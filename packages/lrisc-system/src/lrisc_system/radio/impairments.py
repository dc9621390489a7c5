"""A radio link on the desk: what a recording of a frame goes through between two real radios.

frame -> amplifier -> channel -> delay and sample clock -> carrier offset, phase noise -> noise
      -> IQ imbalance -> DC offset -> recording
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from jscc_ratetoken import AWGN
from lrisc_system.radio.amplifier import clip_peaks
from lrisc_system.radio.channels import SampleChannel
from lrisc_system.radio.framing import PREAMBLE_LENGTH
from lrisc_system.radio.resampling import GUARD, SymbolClock, fractional_delay, shift_frequency


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
        clock_offset: how much slower the receiver samples than the transmitter; 10 ppm is 1e-5.
        iq_gain: how much larger the receiver's I is than its Q; 5% is 0.05.
        iq_phase: by how much I and Q miss a right angle, in radians.
        dc: complex offset of the recording, in units of the signal's amplitude.
        channel: between the antennas.
        max_papr_db: the amplifier clips what lies above, in dB over the frame's mean power.
    """

    gain: float = 1.0
    phase: float = 0.0
    carrier_offset: float = 0.0
    delay: float = 0.0
    tail: int = 256
    phase_noise: float = 0.0
    clock_offset: float = 0.0
    iq_gain: float = 0.0
    iq_phase: float = 0.0
    dc: complex = 0.0
    channel: SampleChannel | None = None
    max_papr_db: float = math.inf

    def __post_init__(self) -> None:
        if not self.gain > 0:
            raise ValueError(f"expected a gain above 0, got {self.gain}")
        if self.delay < 0 or self.tail < 0:
            raise ValueError(f"expected delay and tail >= 0, got {self.delay} and {self.tail}")
        if not abs(self.clock_offset) <= 1e-3:
            raise ValueError(f"expected a clock offset within 0.001, got {self.clock_offset}")

    def record(
        self,
        frame: Tensor,
        snr_db: float,
        *,
        power: float | None = None,
        generator: Generator | None = None,
    ) -> Tensor:
        """Send a frame `(n,)` complex and record it, noise before and after included.

        Args:
            frame: with its preamble first.
            snr_db: SNR of a sample in dB.
            power: of the signal, which `snr_db` refers to; by default that of the preamble.
            generator: of channel, phase noise and noise.

        Returns:
            The recording, `(n + delay rounded down + tail,)` complex64.
        """
        if power is None:
            power = float(frame[:PREAMBLE_LENGTH].abs().square().mean())
        amplitude = math.sqrt(power)
        whole = math.floor(self.delay)
        air = torch.zeros(len(frame) + whole + self.tail + 2 * GUARD, dtype=torch.complex128)
        air[GUARD + whole : GUARD + whole + len(frame)] = self._radiate(frame)
        if self.channel is not None:
            air = self.channel(air, generator)
        air = fractional_delay(air, self.delay - whole)
        # Drift counts from the frame's start, wherever that is.
        clock = SymbolClock(GUARD + whole, 0.0, drift=self.clock_offset)
        air = clock.sample(air, -whole, len(air) - 2 * GUARD)
        walk = torch.randn(len(air), dtype=torch.float64, generator=generator).cumsum(0)
        phase = self.phase + self.phase_noise * walk
        rotation = torch.polar(torch.ones_like(phase), phase)
        received = shift_frequency(air, self.carrier_offset) * rotation
        noisy = AWGN()((received / amplitude)[None], torch.tensor([snr_db]), generator=generator)[0]
        imbalance = (1 + self.iq_gain) * complex(math.cos(self.iq_phase), math.sin(self.iq_phase))
        noisy = (imbalance + 1) / 2 * noisy + (imbalance - 1) / 2 * noisy.conj()
        return (self.gain * amplitude * (noisy + self.dc)).to(torch.complex64)

    def _radiate(self, frame: Tensor) -> Tensor:
        if math.isinf(self.max_papr_db):
            return frame
        return clip_peaks(frame, max_papr_db=self.max_papr_db)
