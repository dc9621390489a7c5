"""The conditional U-Net of the reverse process."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cond_diffusion.blocks import GROUPS, LinearAttention, ResBlock
from cond_diffusion.condition import Conditioner

CONDITIONED_UNITS = 4
MAX_UNITS = 32  # a config from a file cannot ask for a model that takes minutes to build


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of the U-Net; the defaults are those of the paper (Sec. III-A.4) or reconstructed.

    Attributes:
        base_channels: channels of unit 1; unit `j` has `j` times as many. A multiple of 8.
        units: number of down units, and of up units; at least 4, as `y_hat` enters the first 4.
        latent_channels: channels of `y_hat`.
        patch_size: side in pixels of one position of unit 1, 1 or 2.
        condition_channels: channels of `y_hat`'s features for unit 1; unit `j` gets `j` times that.
        attention_heads, attention_width: number of heads of the linear attention, channels of each.
        checkpoint_gradients: recompute each unit in the backward pass, to save memory.
    """

    base_channels: int = 64
    units: int = 6
    latent_channels: int = 256
    patch_size: int = 1
    condition_channels: int = 64
    attention_heads: int = 4
    attention_width: int = 32
    checkpoint_gradients: bool = False

    def __post_init__(self) -> None:
        for name in ("base_channels", "condition_channels"):
            channels = getattr(self, name)
            if channels < 1 or channels % GROUPS:
                raise ValueError(f"expected {name} to be a multiple of {GROUPS}, got {channels}")
        if not CONDITIONED_UNITS <= self.units <= MAX_UNITS:
            raise ValueError(
                f"expected units in [{CONDITIONED_UNITS}, {MAX_UNITS}], got {self.units}"
            )
        if self.patch_size not in (1, 2):
            raise ValueError(f"expected patch_size 1 or 2, got {self.patch_size}")
        for name in ("latent_channels", "attention_heads", "attention_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, got {getattr(self, name)}")

    @classmethod
    def small(cls, *, latent_channels: int = 256) -> "UNetConfig":
        """Sizes with the same structure and about a twentieth of the arithmetic, for CPUs."""
        return cls(
            base_channels=24,
            latent_channels=latent_channels,
            patch_size=2,
            condition_channels=16,
            attention_heads=1,
        )

    @classmethod
    def base(cls, *, latent_channels: int = 256) -> "UNetConfig":
        """Sizes between `small` and the paper: four units, 20 GFLOP at 256 x 256, for one GPU."""
        return cls(
            base_channels=48,
            units=4,
            latent_channels=latent_channels,
            patch_size=2,
            condition_channels=24,
            attention_heads=2,
        )

    @classmethod
    def tiny(cls, *, latent_channels: int = 8) -> "UNetConfig":
        """Minimal sizes, for tests."""
        return cls(
            base_channels=8,
            latent_channels=latent_channels,
            patch_size=2,
            condition_channels=8,
            attention_heads=1,
            attention_width=8,
        )


class TimeEmbedding(nn.Module):
    """Features (B, width) of the pseudo-continuous time `t / T` (B,) in [0, 1)."""

    frequencies: Tensor

    def __init__(self, width: int, *, octaves: int = 8):
        super().__init__()
        frequencies = math.pi * 2.0 ** torch.arange(octaves)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * octaves, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )

    def forward(self, time: Tensor) -> Tensor:
        """Embed the times."""
        phase = time.float()[:, None] * self.frequencies  # (B, octaves)
        return self.mlp(torch.cat([phase.sin(), phase.cos()], dim=1))


class Unit(nn.Module):
    """One unit: two ResNet blocks and linear attention, without resampling."""

    def __init__(self, in_channels: int, channels: int, *, config: UNetConfig, time_width: int):
        super().__init__()
        self.block1 = ResBlock(in_channels, channels, time_width=time_width)
        self.block2 = ResBlock(channels, channels, time_width=time_width)
        self.attention = LinearAttention(
            channels, heads=config.attention_heads, head_width=config.attention_width
        )
        self.checkpoint_gradients = config.checkpoint_gradients

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map `x` (B, in, H, W) and time features (B, time_width) to (B, out, H, W)."""
        if self.checkpoint_gradients and torch.is_grad_enabled():
            return checkpoint(self._run, x, time, use_reentrant=False)
        return self._run(x, time)

    def _run(self, x: Tensor, time: Tensor) -> Tensor:
        return self.attention(self.block2(self.block1(x, time), time))


class ConditionalUNet(nn.Module):
    """The learned branch of `X_theta(x_t, y_hat, t / T)`; it is zero before training.

    Source: LRISC Sec. III-A.4; the sizes inside a unit are reconstructed.

        x_t, base -> patches -> down 1 -> down 2 -> ... -> down 6
                                  | + y_hat    | + y_hat      |
                     image <-  up 1   <-  up 2  <- ...  <-  up 6
    """

    def __init__(self, config: UNetConfig):
        super().__init__()
        self.config = config
        patch_area = config.patch_size**2
        widths = [config.base_channels * (unit + 1) for unit in range(config.units)]
        time_width = 4 * config.base_channels

        self.time = TimeEmbedding(time_width)
        self.conditioner = Conditioner(
            latent_channels=config.latent_channels,
            width=config.condition_channels,
            patch_size=config.patch_size,
        )
        self.stem = nn.Conv2d(6 * patch_area, widths[0], 3, padding=1)
        self.down_units, self.up_units = nn.ModuleList(), nn.ModuleList()
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for unit, channels in enumerate(widths):
            above = widths[max(unit - 1, 0)]
            joined = config.condition_channels * (unit + 1) if unit < CONDITIONED_UNITS else 0
            self.down_units.append(
                Unit(above + joined, channels, config=config, time_width=time_width)
            )
            self.up_units.append(Unit(channels, channels, config=config, time_width=time_width))
            if unit > 0:
                self.downs.append(nn.Conv2d(above, above, 3, stride=2, padding=1))
                self.ups.append(nn.ConvTranspose2d(channels, above, 2, stride=2))
        self.norm = nn.GroupNorm(GROUPS, widths[0])
        self.head = nn.Conv2d(widths[0], 3 * patch_area, 3, padding=1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)
        self.to(memory_format=torch.channels_last)  # a sixth faster on CPUs at narrow widths

    def forward(self, x_t: Tensor, base: Tensor, y_hat: Tensor, time: Tensor) -> Tensor:
        """Predict the correction of the linear estimate from `x_t` and `base`.

        Args:
            x_t: the noisy image (B, 3, H, W), H and W multiples of 16.
            base: the first guess of the image, same shape, in [-1, 1].
            y_hat: the received latent (B, C, H/16, W/16).
            time: `t / T` (B,).

        Returns:
            (B, 3, H, W), all zeros before training.
        """
        patch = self.config.patch_size
        time = self.time(time)
        x = torch.cat([x_t, base], dim=1).contiguous(memory_format=torch.channels_last)
        x = self.stem(F.pixel_unshuffle(x, patch))  # (B, 6, H, W) -> (B, c, H/patch, W/patch)
        features = self.conditioner(y_hat)

        skips = []
        for index, unit in enumerate(self.down_units):
            if index > 0:
                x = self.downs[index - 1](x)
            if index < CONDITIONED_UNITS:
                x = torch.cat([x, features[index]], dim=1)
            x = unit(x, time)
            skips.append(x)

        for index in reversed(range(self.config.units)):
            if index < self.config.units - 1:
                height, width = skips[index].shape[2:]
                # an odd side was rounded up when it was halved
                x = skips[index] + self.ups[index](x)[:, :, :height, :width]
            x = self.up_units[index](x, time)
        return F.pixel_shuffle(self.head(F.silu(self.norm(x))), patch)
