"""Channels: any `(symbols, snr_db, *, generator) -> symbols` of one shape.

The noise power follows from the given SNR and unit signal power, `sigma^2 = 10^(-snr_db/10)`, one
per image. It is never measured from the symbols, so an image that sends less gets the same noise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Equalizer = Callable[[Tensor, Tensor, Tensor], Tensor]  # (received, fading, noise_power) -> symbols


class Channel(Protocol):
    """Protocol of a channel: it maps complex symbols (B, ...) to symbols of the same shape."""

    def __call__(
        self, symbols: Tensor, snr_db: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Send unit-power complex symbols (B, ...) at snr_db (B,)."""
        ...


def noise_power(symbols: Tensor, snr_db: Tensor) -> Tensor:
    """Compute the noise power of each image, `sigma^2 = 10^(-snr_db/10)`, (B, 1, ...)."""
    if not symbols.is_complex():
        raise ValueError(f"expected complex symbols, got {symbols.dtype}")
    if snr_db.shape != symbols.shape[:1]:
        raise ValueError(f"expected snr_db ({symbols.shape[0]},), got {tuple(snr_db.shape)}")
    return (10 ** (-snr_db.to(symbols.real.dtype) / 10)).view(-1, *[1] * (symbols.ndim - 1))


def complex_normal(
    shape: tuple[int, ...], *, like: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Draw circular complex Gaussians of unit power, half of it on each axis."""
    return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)


def zero_forcing(received: Tensor, fading: Tensor, noise_power: Tensor) -> Tensor:
    """Divide by the fading, `r / h`: unbiased, but deep fades amplify the noise without limit."""
    return received / fading


def mmse(received: Tensor, fading: Tensor, noise_power: Tensor) -> Tensor:
    """Estimate unit-power symbols with least mean square error, `conj(h) r / (|h|^2 + sigma^2)`."""
    return fading.conj() * received / (fading.abs().square() + noise_power)


@dataclass(frozen=True)
class Noiseless:
    """A channel without noise."""

    def __call__(
        self, symbols: Tensor, snr_db: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the symbols (B, ...) unchanged."""
        return symbols


@dataclass(frozen=True)
class AWGN:
    """Additive white Gaussian noise, `s + n`."""

    def __call__(
        self, symbols: Tensor, snr_db: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Add noise of power `sigma^2` to symbols (B, ...) at snr_db (B,)."""
        sigma = noise_power(symbols, snr_db).sqrt()
        noise = complex_normal(tuple(symbols.shape), like=symbols, generator=generator)
        return symbols + sigma * noise


@dataclass(frozen=True)
class RayleighBlock:
    """Rayleigh fading `h s + n` with one `h` per image, known to the receiver, which equalises."""

    equalizer: Equalizer = mmse

    def __call__(
        self, symbols: Tensor, snr_db: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Fade, add noise and equalise symbols (B, ...) at the mean SNR snr_db (B,)."""
        shape = (symbols.shape[0], *[1] * (symbols.ndim - 1))
        fading = complex_normal(shape, like=symbols, generator=generator)
        received = AWGN()(fading * symbols, snr_db, generator=generator)
        return self.equalizer(received, fading, noise_power(symbols, snr_db))


@dataclass(frozen=True)
class RayleighFast:
    """Rayleigh fading `h s + n` with one `h` per symbol, known to the receiver, which equalises."""

    equalizer: Equalizer = mmse

    def __call__(
        self, symbols: Tensor, snr_db: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Fade, add noise and equalise symbols (B, ...) at the mean SNR snr_db (B,)."""
        fading = complex_normal(tuple(symbols.shape), like=symbols, generator=generator)
        received = AWGN()(fading * symbols, snr_db, generator=generator)
        return self.equalizer(received, fading, noise_power(symbols, snr_db))
