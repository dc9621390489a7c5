"""The mean-scale hyperprior: a prior of the latent, and the bits of the latent under it.

y --h_a--> z --round--> z_hat --h_s--> mean, scale --Eq. (5)--> bits of y
                |
                +--> bytes: the only part of this that is sent
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from entropy_hyperprior.likelihood import (
    SCALE_BOUND,
    bits,
    gaussian_uniform_likelihood,
    lower_bound,
)
from entropy_hyperprior.rans import Z_LIMIT
from entropy_hyperprior.transforms import HYPER_STRIDE, HyperAnalysis, HyperSynthesis

LOG_RATIO_LIMIT = 7.0  # scale stays within e^7 of channel_scale: from 70, it reaches down to 0.11


@dataclass(frozen=True)
class HyperpriorConfig:
    """Sizes of the hyperprior.

    Args:
        latent_channels: channels C of y.
        hyper_channels: channels of z and of the layers of h_a and h_s, at least 4.
        initial_spread: width of z's prior at the start; at 0.1 an element of z that
            rounds to zero costs about 0.02 bits.
    """

    latent_channels: int = 256
    hyper_channels: int = 192
    initial_spread: float = 0.1

    def __post_init__(self) -> None:
        if self.latent_channels < 1:
            raise ValueError(f"expected latent_channels >= 1, got {self.latent_channels}")
        if self.hyper_channels < 4:  # CompressAI's coder writes final words of this size
            raise ValueError(f"expected hyper_channels >= 4, got {self.hyper_channels}")
        if not self.initial_spread > 0:
            raise ValueError(f"expected initial_spread > 0, got {self.initial_spread}")


@dataclass(frozen=True)
class LatentPrior:
    """The prior that the receiver has of y: mean and standard deviation, each (B, C, h, w)."""

    mean: Tensor
    scale: Tensor


@dataclass(frozen=True)
class HyperpriorOutput:
    """The output of the hyperprior for a batch of latents.

    Args:
        y_tilde: (B, C, h, w), y with uniform noise in training, y itself otherwise.
        mean: (B, C, h, w).
        scale: (B, C, h, w), at least 0.11.
        z_hat: (B, hyper_channels, ceil(h/4), ceil(w/4)), z with noise in training, rounded
            otherwise.
        token_bits: (B, h, w), bits of y summed over its channels.
        side_bits: (B,), bits of z.
    """

    y_tilde: Tensor
    mean: Tensor
    scale: Tensor
    z_hat: Tensor
    token_bits: Tensor
    side_bits: Tensor


class Hyperprior(nn.Module):
    """Mean-scale hyperprior that codes z into bytes.

    At the start ``mean = 0`` and ``scale = channel_scale`` for every z: the model is a Gaussian
    of fixed variance per channel. In evaluation every image is processed alone, so neither its
    prior nor its bytes depend on the other images of the batch.

    Source: LRISC Eq. (5); Minnen et al. 2018, "Joint autoregressive and hierarchical
    priors", without its autoregressive part.
    """

    channel_scale: Tensor

    def __init__(self, config: HyperpriorConfig) -> None:
        from entropy_hyperprior.bottleneck import SideBottleneck  # CompressAI takes seconds

        super().__init__()
        self.config = config
        sizes = {
            "latent_channels": config.latent_channels,
            "hyper_channels": config.hyper_channels,
        }
        self.h_a = HyperAnalysis(**sizes)
        self.h_s = HyperSynthesis(**sizes)
        self.bottleneck = SideBottleneck(config.hyper_channels, spread=config.initial_spread)
        self.register_buffer("channel_scale", torch.ones(config.latent_channels))

    def forward(self, y: Tensor, *, generator: torch.Generator | None = None) -> HyperpriorOutput:
        """Estimate the bits of y and of its side information z, Eq. (5).

        Args:
            y: (B, C, h, w).
            generator: source of the uniform noise in training.

        Raises:
            ValueError: when y is not (B, C, h, w), or the parameters are of half precision.
        """
        # Likelihoods need float32, under autocast too.
        with torch.autocast(y.device.type, enabled=False):
            y = self._checked(y)
            z = self._analyse(y)
            if self.training:
                z_hat = add_noise(z, generator=generator)
                y_tilde = add_noise(y, generator=generator)
            else:
                z_hat = self.bottleneck.round(z)
                y_tilde = y
            mean, scale = self._prior(z_hat, latent_size=(y.shape[2], y.shape[3]))
            y_bits = bits(gaussian_uniform_likelihood(y_tilde, mean, scale))
            z_bits = bits(self.bottleneck.likelihood(z_hat))
            return HyperpriorOutput(
                y_tilde=y_tilde,
                mean=mean,
                scale=scale,
                z_hat=z_hat,
                token_bits=y_bits.sum(dim=1),  # (B, C, h, w) -> (B, h, w)
                side_bits=z_bits.sum(dim=(1, 2, 3)),
            )

    @torch.no_grad()
    def compress(self, y: Tensor) -> list[bytes]:
        """Entropy code z of each latent: (B, C, h, w) -> B strings.

        Raises:
            ValueError: when y has another shape or contains values that are not finite.
            RuntimeError: before `update`.
        """
        self._check_precision(torch.float32)  # CompressAI's coder
        self.check_tables()
        y = self._checked(y)
        if not y.isfinite().all():
            raise ValueError("expected finite latents, got inf or nan")
        with torch.autocast(y.device.type, enabled=False):
            z = torch.cat([self._analyse(image) for image in y.split(1)])
        return self.bottleneck.compress(z)

    @torch.no_grad()
    def decompress(self, strings: Sequence[bytes], *, latent_size: tuple[int, int]) -> LatentPrior:
        """Compute the prior from the strings alone, bit for bit the one of `forward` in evaluation.

        Args:
            strings: from `compress`, one per image.
            latent_size: (h, w) of the latents.

        Raises:
            ValueError: when a string is damaged or of another size.
            RuntimeError: before `update`.
        """
        self._check_precision(torch.float32)
        self.check_tables()
        if not strings:
            raise ValueError("expected at least one string, got none")
        if min(latent_size) < 1:
            raise ValueError(f"expected latent_size of at least (1, 1), got {latent_size}")
        size = _hyper_size(latent_size)
        with torch.autocast(self.channel_scale.device.type, enabled=False):
            priors = [
                self._prior(self.bottleneck.decode(string, size=size), latent_size=latent_size)
                for string in strings
            ]
        means, scales = zip(*priors, strict=True)
        return LatentPrior(mean=torch.cat(means), scale=torch.cat(scales))

    def check_strings(self, strings: Sequence[bytes], *, latent_size: tuple[int, int]) -> None:
        """Refuse strings that are too short for their latents, before anything is computed.

        Args:
            strings: as `decompress` takes them.
            latent_size: (h, w) of the latents.

        Raises:
            ValueError: when a string has fewer bytes than any latent of that size.
            RuntimeError: before `update`.
        """
        self.check_tables()
        for string in strings:
            self.bottleneck.check_length(string, size=_hyper_size(latent_size))

    def check_tables(self) -> None:
        """Check what the coder works with; a wrong table would crash it, not raise.

        Raises:
            RuntimeError: before `update`.
            ValueError: when the tables, the medians or `channel_scale` cannot be those of `update`.
        """
        self.bottleneck.check_tables()
        if not bool((self.channel_scale > 0).all()) or not self.channel_scale.isfinite().all():
            raise ValueError("expected a channel_scale above 0 and finite")

    @torch.no_grad()
    def likeliest_prior(self, *, latent_size: tuple[int, int]) -> LatentPrior:
        """Compute the prior of one latent (1, C, *latent_size) with z at its medians.

        It stands in for the one of `decompress` where z was lost.
        """
        rows, columns = (-(-size // HYPER_STRIDE) for size in latent_size)
        z = self.bottleneck.medians.expand(1, -1, rows, columns)
        with torch.autocast(self.channel_scale.device.type, enabled=False):
            return LatentPrior(*self._prior(z, latent_size=latent_size))

    def update(self) -> None:
        """Build the coder's tables from the learned prior of z; call it before saving.

        Raises:
            ValueError: when the prior's parameters are not finite, or not float32.
        """
        self._check_precision(torch.float32)
        if not all(parameter.isfinite().all() for parameter in self.bottleneck.parameters()):
            raise ValueError("expected finite parameters in the prior of z, got inf or nan")
        self.bottleneck.update(force=True, update_quantiles=True)

    @torch.no_grad()
    def set_latent_scale(self, scale: Tensor) -> None:
        """Set `channel_scale`: the initial standard deviation of the prior, per channel of y.

        Args:
            scale: (C,), above 0; values below 0.11 are set to 0.11.

        Raises:
            ValueError: if the shape is different or a value is not above 0.
        """
        if scale.shape != self.channel_scale.shape or not bool((scale > 0).all()):
            raise ValueError(
                f"expected {tuple(self.channel_scale.shape)} values above 0, "
                f"got {tuple(scale.shape)}"
            )
        self.channel_scale.copy_(scale.clamp(min=SCALE_BOUND))

    def auxiliary_loss(self) -> Tensor:
        """Return the distance of the stored quantiles from the true ones, a scalar to minimise."""
        return self.bottleneck.loss()

    def _checked(self, y: Tensor) -> Tensor:
        if y.ndim != 4 or y.shape[1] != self.config.latent_channels:
            raise ValueError(
                f"expected (B, {self.config.latent_channels}, h, w), got {tuple(y.shape)}"
            )
        self._check_precision(torch.float32, torch.float64)
        return y.to(self.channel_scale.dtype)

    def _check_precision(self, *allowed: torch.dtype) -> None:
        """Refuse other precisions; in half, both ends of a link would round z differently.

        Raises:
            ValueError: when a parameter is of another type.
        """
        found = {parameter.dtype for parameter in self.parameters()} | {self.channel_scale.dtype}
        if len(found) > 1 or not found <= set(allowed):
            expected, got = (", ".join(sorted(map(str, types))) for types in (allowed, found))
            raise ValueError(f"expected a hyperprior in {expected}, got {got}")

    def _analyse(self, y: Tensor) -> Tensor:
        normalised = y / self.channel_scale[:, None, None]
        batches = [normalised] if self.training else normalised.split(1)
        return torch.cat([self.h_a(batch) for batch in batches]).clamp(-Z_LIMIT, Z_LIMIT)

    def _prior(self, z_hat: Tensor, *, latent_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Mean and scale of y, Eq. (5): ``channel_scale * m`` and ``channel_scale * exp(r)``."""
        channel_scale = self.channel_scale[:, None, None]
        batches = [z_hat] if self.training else z_hat.split(1)
        pairs = [self.h_s(z, latent_size=latent_size) for z in batches]
        m, r = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        r = LOG_RATIO_LIMIT * torch.tanh(r / LOG_RATIO_LIMIT)
        return channel_scale * m, lower_bound(channel_scale * r.exp(), SCALE_BOUND)


def _hyper_size(latent_size: tuple[int, int]) -> tuple[int, int]:
    """Return the size of z for latents of (h, w)."""
    height, width = latent_size
    return -(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE)


def add_noise(x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Add Uniform(-1/2, 1/2): a differentiable substitute for rounding in training."""
    noise = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return x + noise - 0.5
