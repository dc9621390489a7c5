"""How good a received image is: PSNR, MS-SSIM and LPIPS, over all of it, ROI or background."""

import math
from dataclasses import dataclass
from functools import cache

import torch
from pytorch_msssim import ms_ssim as msssim_package
from torch import Tensor

from lrisc_system.metrics.lpips import LPIPS, lpips_network

__all__ = [
    "LPIPS",
    "Metrics",
    "evaluate_pair",
    "lpips_network",
    "masked_psnr",
    "ms_ssim",
    "psnr",
    "round_to_8_bits",
]

MS_SSIM_SIDE = 160  # pixels: a window of 11 at the fifth scale


@dataclass(frozen=True)
class Metrics:
    """The figures of one received image; those of ROI and background are NaN without a mask.

    Attributes:
        psnr: dB over RGB, infinite for equal images.
        ms_ssim: 1 for equal images, NaN when a side is 160 pixels or less.
        lpips: 0 for equal images.
        roi_psnr: dB of the error weighted by the mask.
        roi_ms_ssim: of the images times the mask.
        roi_lpips: of the images times the mask.
        background_psnr: as `roi_psnr`, with one minus the mask.
        background_ms_ssim: as `roi_ms_ssim`, with one minus the mask.
        background_lpips: as `roi_lpips`, with one minus the mask, the distance of Eq. (13).
    """

    psnr: float
    ms_ssim: float
    lpips: float
    roi_psnr: float = math.nan
    roi_ms_ssim: float = math.nan
    roi_lpips: float = math.nan
    background_psnr: float = math.nan
    background_ms_ssim: float = math.nan
    background_lpips: float = math.nan


@torch.no_grad()
def evaluate_pair(
    image: Tensor, received: Tensor, *, mask: Tensor | None = None, perceptual: LPIPS | None = None
) -> Metrics:
    """Measure one received image, rounded to 8 bits as its file would be.

    Args:
        image: the source, `(1, 3, H, W)` in `[0, 1]`.
        received: as `image`.
        mask: weight of the region of interest, `(1, 1, H, W)` in `[0, 1]`.
        perceptual: LPIPS network on the images' device; AlexNet by default.

    Raises:
        ValueError: shapes that do not fit.
    """
    if image.shape[0] != 1:
        raise ValueError(f"expected one image (1, 3, H, W), got {tuple(image.shape)}")
    perceptual = _alex(image.device) if perceptual is None else perceptual
    received = round_to_8_bits(received)
    whole = (
        psnr(image, received).item(),
        ms_ssim(image, received).item(),
        perceptual(image, received).item(),
    )
    if mask is None:
        return Metrics(*whole)
    parts = [
        (
            masked_psnr(image, received, weight).item(),
            ms_ssim(weight * image, weight * received).item(),
            perceptual(weight * image, weight * received).item(),
        )
        for weight in (mask, 1.0 - mask)
    ]
    return Metrics(*whole, *parts[0], *parts[1])


def psnr(x: Tensor, x_hat: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image over RGB.

    Args:
        x: source, `(B, 3, H, W)` in `[0, 1]`.
        x_hat: received, as `x`; rounded to 8 bits here.

    Returns:
        dB, `(B,)`; infinite for equal images.
    """
    return masked_psnr(x, x_hat, torch.ones_like(x[:, :1]))


def masked_psnr(x: Tensor, x_hat: Tensor, weight: Tensor) -> Tensor:
    """PSNR of the squared error averaged with a weight per pixel.

    Args:
        x: source, `(B, 3, H, W)` in `[0, 1]`.
        x_hat: received, as `x`; rounded to 8 bits here.
        weight: `(B, 1, H, W)`, at least 0; the average is over its sum, not over the area.

    Returns:
        dB, `(B,)`; NaN where no pixel has weight.
    """
    _require_pair(x, x_hat)
    if weight.shape != x[:, :1].shape:
        raise ValueError(f"expected a weight {tuple(x[:, :1].shape)}, got {tuple(weight.shape)}")
    error = (x.double() - round_to_8_bits(x_hat).double()).square()
    weight = weight.double()
    mean = (weight * error).sum(dim=(1, 2, 3)) / (3.0 * weight.sum(dim=(1, 2, 3)))
    return (-10.0 * mean.log10()).float()


def ms_ssim(x: Tensor, x_hat: Tensor) -> Tensor:
    """Multi-scale structural similarity of each image over RGB.

    Five scales, each half the one before, want a shorter side above 160 pixels. Fewer scales
    would give figures that compare with nobody's, so a smaller image has none.

    Args:
        x: source, `(B, 3, H, W)` in `[0, 1]`.
        x_hat: received, as `x`.

    Returns:
        `(B,)`, 1 for equal images, NaN when a side is 160 or less. Source: Wang et al. 2003,
        Eq. (7), with the five weights given there.
    """
    _require_pair(x, x_hat)
    if min(x.shape[-2:]) <= MS_SSIM_SIDE:
        return x.new_full((len(x),), math.nan)
    return msssim_package(
        x.float(), x_hat.float().clamp(0.0, 1.0), data_range=1.0, size_average=False
    )


def round_to_8_bits(image: Tensor) -> Tensor:
    """Clip to `[0, 1]` and round to the 256 values that a file holds."""
    return (image.clamp(0.0, 1.0) * 255.0).round() / 255.0


@cache
def _alex(device: torch.device) -> LPIPS:
    """LPIPS on AlexNet, built once for each device."""
    return lpips_network("alex").to(device)


def _require_pair(x: Tensor, x_hat: Tensor) -> None:
    if x.shape != x_hat.shape or x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(
            f"expected two images (B, 3, H, W), got {tuple(x.shape)} and {tuple(x_hat.shape)}"
        )
