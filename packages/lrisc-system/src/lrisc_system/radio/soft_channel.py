"""What a receiver with perfect channel knowledge sees: symbols, and how noisy each one is."""

from dataclasses import dataclass, field, replace

import torch
from torch import Generator, Tensor

from jscc_ratetoken import Channel, RayleighBlock, RayleighFast, zero_forcing

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
    """Send symbols and tell how noisy each one arrives.

    Soft decoding wants to know the fading, which a `Channel` keeps to itself. The Rayleigh
    channels show it to their equaliser, so they get one that writes it down. Any other channel
    counts as one of unit gain whose noise has the power that the SNR says.

    Args:
        channel: any channel.
        symbols: of unit mean power, (K,) complex.
        snr_db: mean SNR in dB.
        generator: of fading and noise.
    """
    snr = torch.tensor([snr_db])
    if not isinstance(channel, RayleighBlock | RayleighFast):
        received = channel(symbols[None], snr, generator=generator)[0]
        return Observation(received, torch.full((len(symbols),), 10 ** (-snr_db / 10)))
    witness = _Witness()
    received = replace(channel, equalizer=witness)(symbols[None], snr, generator=generator)[0]
    return Observation(received, witness.noise_power[0].expand(len(symbols)))


@dataclass
class _Witness:
    """An equaliser that divides by the fading and keeps the noise power that this leaves."""

    noise_power: Tensor = field(default_factory=lambda: torch.empty(0))

    def __call__(self, received: Tensor, fading: Tensor, noise_power: Tensor) -> Tensor:
        """Equalise (1, K) symbols under fading (1, K) or (1, 1)."""
        power = fading.abs().square().clamp(min=WEAKEST_FADING)
        self.noise_power = noise_power / power
        return zero_forcing(received, fading, noise_power)
