"""A receiver with perfect channel knowledge: symbols, and the noise power of each."""

from dataclasses import dataclass, field, replace

import torch
from torch import Generator, Tensor

from jscc_ratetoken import Channel, zero_forcing

WEAKEST_FADING = 1e-12  # as power; keeps the noise after division finite


@dataclass(frozen=True)
class Observation:
    """Received symbols of unit gain.

    Attributes:
        symbols: (K,) complex.
        noise_power: of the complex noise of each symbol, (K,).
    """

    symbols: Tensor
    noise_power: Tensor


def observe(
    channel: Channel, symbols: Tensor, snr_db: float, *, generator: Generator | None = None
) -> Observation:
    """Send symbols and return them with the noise power of each.

    Soft decoding needs the fading, which a `Channel` does not return. A channel that fades gives it
    to its `equalizer`, so a copy of the channel gets an equaliser that records it. A channel
    without an `equalizer` counts as one of unit gain with noise of the power that the SNR gives.

    Args:
        channel: any channel; one with an attribute `equalizer` is a dataclass and calls it as
            `jscc_ratetoken.mmse` is called.
        symbols: of unit mean power, (K,) complex.
        snr_db: mean SNR in dB.
        generator: of fading and noise.
    """
    snr = torch.tensor([snr_db])
    if not hasattr(channel, "equalizer"):
        received = channel(symbols[None], snr, generator=generator)[0]
        return Observation(received, torch.full((len(symbols),), 10 ** (-snr_db / 10)))
    equalizer = _RecordingEqualizer()
    recorded: Channel = replace(channel, equalizer=equalizer)  # type: ignore[type-var]
    received = recorded(symbols[None], snr, generator=generator)[0]
    return Observation(received, equalizer.noise_power[0].expand(len(symbols)))


@dataclass
class _RecordingEqualizer:
    """An equaliser that divides by the fading and records the noise power after the division."""

    noise_power: Tensor = field(default_factory=lambda: torch.empty(0))

    def __call__(self, received: Tensor, fading: Tensor, noise_power: Tensor) -> Tensor:
        """Equalise (1, K) symbols under fading (1, K) or (1, 1)."""
        power = fading.abs().square().clamp(min=WEAKEST_FADING)
        self.noise_power = noise_power / power
        return zero_forcing(received, fading, noise_power)
