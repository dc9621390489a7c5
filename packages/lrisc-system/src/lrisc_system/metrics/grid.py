"""The fixed pattern that a decoder leaves in flat areas: what its errors have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

FLAT_DEVIATION = 4 / 255  # local deviation of the source under which an area counts as flat
WINDOW = 7  # pixels, of the local deviation
PERIODS = (2, 4, 8, 16)  # pixels, that are reported


def flat_areas(x: Tensor) -> Tensor:
    """Mark where the source hardly varies: its deviation in a 7 x 7 window is under 4 grey levels.

    Args:
        x: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 1, H, W), 1 in flat areas and 0 elsewhere.
    """
    grey = x.mean(dim=1, keepdim=True)
    grey = grey - grey.mean(dim=(2, 3), keepdim=True)  # keeps the digits of the variance
    padded = F.pad(grey, [WINDOW // 2] * 4, mode="replicate")
    mean = F.avg_pool2d(padded, WINDOW, stride=1)
    variance = F.avg_pool2d(padded.square(), WINDOW, stride=1) - mean.square()
    return (variance < FLAT_DEVIATION**2).to(x.dtype)


def residual_by_phase(x: Tensor, x_hat: Tensor, *, period: int) -> tuple[Tensor, Tensor]:
    """Average the error in flat areas over all places of equal phase, row and column mod `period`.

    Args:
        x: source image, (B, 3, H, W) in [0, 1]; what is over a multiple of the period is left out.
        x_hat: received image, of the same shape.
        period: in pixels, at least 1.

    Returns:
        The pattern (B, 3, period, period), its mean taken off; and how many places stand behind
        each of its elements, (B, 1, period, period), 0 where the pattern is 0 for want of any.

    Raises:
        ValueError: if the shapes differ or are smaller than the period.
    """
    if x.shape != x_hat.shape or period < 1 or min(x.shape[-2:]) < period:
        raise ValueError(
            f"expected two images of one shape, at least {period} x {period}, "
            f"got {tuple(x.shape)} and {tuple(x_hat.shape)}"
        )
    height, width = (side // period * period for side in x.shape[-2:])

    def fold(values: Tensor) -> Tensor:  # (B, c, H, W) -> (B, c, period, period)
        cells = values[..., :height, :width].unflatten(3, (-1, period)).unflatten(2, (-1, period))
        return cells.sum(dim=(2, 4))

    flat = flat_areas(x)
    count = fold(flat)
    pattern = fold((x_hat - x) * flat) / count.clamp(min=1)
    weight = count / count.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = (pattern * weight).sum(dim=(2, 3), keepdim=True)
    return (pattern - mean) * (count > 0), count


def grid_amplitude(x: Tensor, x_hat: Tensor, *, period: int) -> Tensor:
    """Measure the pattern of a set of images: its root mean square in grey levels, 0 without one.

    The images are taken as one set: what they have in common stays, what differs averages out.

    Args:
        x: source images, (B, 3, H, W) in [0, 1].
        x_hat: received images, of the same shape.
        period: of the pattern in pixels; 16 is the stride of the latent.

    Returns:
        A scalar in grey levels, 1/255.
    """
    return common_amplitude(*residual_by_phase(x, x_hat, period=period))


def common_amplitude(pattern: Tensor, count: Tensor) -> Tensor:
    """Measure what the patterns of several images have in common.

    Args:
        pattern: of each image as `residual_by_phase` gives it, (B, 3, period, period).
        count: places behind each element, (B, 1, period, period).

    Returns:
        A scalar in grey levels, 1/255; 0 without flat areas.
    """
    weight = count / count.sum(dim=0, keepdim=True).clamp(min=1)
    common = (pattern * weight).sum(dim=0)  # (3, period, period)
    return 255 * common.square().mean().sqrt()


def set_amplitude(patterns: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Measure what images of different sizes have in common.

    Args:
        patterns: pattern and count of each image, as `residual_by_phase` gives them.

    Returns:
        Grey levels, 1/255; NaN where no image has a flat area.
    """
    if not any(count.any() for _, count in patterns):
        return math.nan
    pattern, count = (torch.cat(each) for each in zip(*patterns, strict=True))
    return common_amplitude(pattern, count).item()
