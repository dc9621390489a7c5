"""The four transforms of the prior codec: g_a, g_s on images, h_a, h_s on latents.

    x --g_a--> y --h_a--> z          every arrow of the upper row is
    x' <-g_s-- y   (m, r) <--h_s-- z   linear path + branch, branch = 0 at the start

Source: LRISC Sec. III-A.1 (convolutions with ReLU, four stages of stride 2). The linear
paths are our addition: with them, the transforms can start at their linear optimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from entropy_hyperprior.patch_pca import PATCH, STRIDE, PatchPCA

MAX_RESIDUAL_BLOCKS = 64  # a config from a file cannot ask for what takes minutes to build
HYPER_STRIDE = 4  # tokens per element of z, each way


@dataclass(frozen=True)
class TransformConfig:
    """Sizes of g_a and g_s.

    Args:
        latent_channels: channels C of y.
        widths: channels of the branch at 1/2, 1/4 and 1/8 of the image.
        residual_blocks: number of residual blocks of the branch at each of the three.
    """

    latent_channels: int = 256
    widths: tuple[int, int, int] = (64, 128, 192)
    residual_blocks: int = 0

    def __post_init__(self) -> None:
        if self.latent_channels < 1:
            raise ValueError(f"expected latent_channels >= 1, got {self.latent_channels}")
        if len(self.widths) != 3 or min(self.widths) < 1:
            raise ValueError(f"expected three widths >= 1, got {self.widths}")
        if not 0 <= self.residual_blocks <= MAX_RESIDUAL_BLOCKS:
            raise ValueError(
                f"expected residual_blocks in [0, {MAX_RESIDUAL_BLOCKS}], "
                f"got {self.residual_blocks}"
            )


def _down(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 5, stride=2, padding=2)


def _up(channels_in: int, channels_out: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels_in, channels_out, 5, stride=2, padding=2, output_padding=1)


def _zeroed(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Conv2d | nn.ConvTranspose2d:
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to an identity path; the second one starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            _zeroed(nn.Conv2d(channels, channels, 3, padding=1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return x + self.layers(x)


def _stage(resample: nn.Module, channels: int, *, blocks: int) -> list[nn.Module]:
    """One stage of a branch: resample, then residual blocks, then ReLU."""
    return [resample, *(ResidualBlock(channels) for _ in range(blocks)), nn.ReLU()]


class AnalysisTransform(nn.Module):
    """Map the image to the latent, ``y = g_a(x)``.

    Source: LRISC Sec. III-A.1; the linear path is ours.
    """

    def __init__(self, config: TransformConfig) -> None:
        super().__init__()
        w1, w2, w3 = config.widths
        self.linear = nn.Conv2d(3, config.latent_channels, STRIDE, stride=STRIDE)
        blocks = config.residual_blocks
        self.branch = nn.Sequential(
            *_stage(_down(3, w1), w1, blocks=blocks),  # (B, 3, H, W) -> (B, w1, H/2, W/2)
            *_stage(_down(w1, w2), w2, blocks=blocks),
            *_stage(_down(w2, w3), w3, blocks=blocks),
            _zeroed(_down(w3, config.latent_channels)),  # -> (B, C, h, w)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Analyse images.

        Args:
            x: (B, 3, H, W) in [0, 1], H and W multiples of 16.

        Returns:
            y: (B, C, H/16, W/16).

        Raises:
            ValueError: when x has another shape.
        """
        if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] % STRIDE or x.shape[3] % STRIDE:
            raise ValueError(
                f"expected (B, 3, H, W) with H and W multiples of {STRIDE}, got {tuple(x.shape)}"
            )
        return self.linear(x) + self.branch(x)

    @torch.no_grad()
    def start_from_pca(self, pca: PatchPCA, *, step: float) -> None:
        """Set the linear path to ``y = basis^T (patch - mean) / step``; the branch is unchanged.

        Args:
            pca: with as many components as the latent has channels.
            step: size of one unit of y in units of the image, > 0.

        Raises:
            ValueError: when step is not positive or the channels disagree.
        """
        kernels = _kernels(pca, channels=self.linear.out_channels, step=step)
        _set(self.linear.weight, kernels / step)
        _set(self.linear.bias, -(pca.mean @ pca.basis) / step)


class SynthesisTransform(nn.Module):
    """Map the latent back to an image, ``x' = g_s(y)``, not clamped to [0, 1].

    The branch takes ``y / branch_scale``, so that large components do not dominate the others.
    The buffer is one until `start_from_pca` sets it.

    Source: LRISC Sec. III-A.1; the linear path is ours.
    """

    branch_scale: Tensor

    def __init__(self, config: TransformConfig) -> None:
        super().__init__()
        w1, w2, w3 = config.widths
        self.latent_channels = config.latent_channels
        self.linear = nn.ConvTranspose2d(config.latent_channels, 3, STRIDE, stride=STRIDE)
        blocks = config.residual_blocks
        self.branch = nn.Sequential(
            *_stage(_up(config.latent_channels, w3), w3, blocks=blocks),  # -> (B, w3, 2h, 2w)
            *_stage(_up(w3, w2), w2, blocks=blocks),
            *_stage(_up(w2, w1), w1, blocks=blocks),
            _zeroed(_up(w1, 3)),  # -> (B, 3, H, W)
        )
        self.register_buffer("branch_scale", torch.ones(config.latent_channels))

    def forward(self, y: Tensor) -> Tensor:
        """Synthesise images: (B, C, h, w) -> (B, 3, 16 h, 16 w).

        Raises:
            ValueError: when y is not (B, C, h, w).
        """
        if y.ndim != 4 or y.shape[1] != self.latent_channels:
            raise ValueError(f"expected (B, {self.latent_channels}, h, w), got {tuple(y.shape)}")
        return self.linear(y) + self.branch(y / self.branch_scale[:, None, None])

    @torch.no_grad()
    def start_from_pca(self, pca: PatchPCA, *, step: float) -> None:
        """Set the linear path to ``basis step y + mean``; the weights of the branch are unchanged.

        The branch then takes each component divided by the root of its scale, halfway between
        raw and whitened.

        Args:
            pca: with as many components as the latent has channels.
            step: size of one unit of y in units of the image, > 0.

        Raises:
            ValueError: when step is not positive or the channels disagree.
        """
        kernels = _kernels(pca, channels=self.latent_channels, step=step)
        _set(self.linear.weight, kernels * step)
        _set(self.linear.bias, pca.mean.reshape(3, -1).mean(dim=1))
        self.branch_scale.copy_(pca.latent_scale(step=step).sqrt())


def _kernels(pca: PatchPCA, *, channels: int, step: float) -> Tensor:
    """Shape the basis as convolution kernels, (768, C) -> (C, 3, 16, 16)."""
    if not step > 0:
        raise ValueError(f"expected step > 0, got {step}")
    if pca.basis.shape[1] != channels:
        raise ValueError(f"expected a PCA of {channels} components, got {pca.basis.shape[1]}")
    return pca.basis.T.reshape(channels, *PATCH)


def _set(parameter: Tensor | None, value: Tensor) -> None:
    if parameter is None:
        raise ValueError("expected linear paths with weight and bias, got one without")
    parameter.copy_(value)


class HyperAnalysis(nn.Module):
    """Map the latent to the side information, ``z = h_a(y)``, at a quarter of its grid.

    Source: LRISC Eq. (5).
    """

    def __init__(self, *, latent_channels: int, hyper_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(latent_channels, hyper_channels, 3, padding=1),
            nn.ReLU(),
            _down(hyper_channels, hyper_channels),
            nn.ReLU(),
            _down(hyper_channels, hyper_channels),
        )

    def forward(self, y: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, hyper_channels, ceil(h/4), ceil(w/4)); edges are repeated."""
        h, w = y.shape[-2:]
        y = F.pad(y, (0, -w % HYPER_STRIDE, 0, -h % HYPER_STRIDE), mode="replicate")
        return self.layers(y)


class HyperSynthesis(nn.Module):
    """Map z to the two numbers per latent element of the prior, ``(m, r) = h_s(z)``.

    The last layer starts at zero, so both are zero for every z at the start.

    Source: LRISC Eq. (5).
    """

    def __init__(self, *, latent_channels: int, hyper_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _up(hyper_channels, hyper_channels),
            nn.ReLU(),
            _up(hyper_channels, hyper_channels),
            nn.ReLU(),
            _zeroed(nn.Conv2d(hyper_channels, 2 * latent_channels, 3, padding=1)),
        )

    def forward(self, z: Tensor, *, latent_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Map (B, hyper_channels, ., .) to m, r, each (B, C, h, w) with (h, w) = latent_size."""
        h, w = latent_size
        m, r = self.layers(z)[..., :h, :w].chunk(2, dim=1)
        return m, r
