"""The loss of the paper's Sec. III-B: Eqs. (12)-(14), one value per image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lrisc_system.metrics.grid import residual_by_phase

Perceptual = Callable[[Tensor, Tensor], Tensor]
"""A perceptual distance: two batches of images (B, 3, H, W) in [0, 1] -> (B,)."""


def sum_distances(distances: Sequence[Perceptual]) -> Perceptual:
    """Return the sum of several perceptual distances: (B, 3, H, W) twice -> (B,)."""

    def distance(x: Tensor, x_hat: Tensor) -> Tensor:
        return torch.stack([each(x, x_hat) for each in distances]).sum(dim=0)

    return distance


def mean_squared_error(x: Tensor, x_hat: Tensor) -> Tensor:
    """Average the squared error of each image: (B, 3, H, W) twice -> (B,)."""
    if x.shape != x_hat.shape:
        raise ValueError(f"expected two images of one shape, got {x.shape} and {x_hat.shape}")
    return (x - x_hat).square().mean(dim=(1, 2, 3))


def roi_distortion(x: Tensor, x_hat: Tensor, mask: Tensor) -> Tensor:
    """Compute the distortion of the region of interest, Eq. (12).

    Args:
        x: source image, (B, 3, H, W) in [0, 1].
        x_hat: received image, (B, 3, H, W).
        mask: smoothed ROI mask M, (B, 1, H, W) in [0, 1].

    Returns:
        D_roi, (B,). Source: LRISC Eq. (12).
    """
    return mean_squared_error(mask * x, mask * x_hat)


def background_distortion(
    x: Tensor,
    x_hat: Tensor,
    mask: Tensor,
    *,
    perceptual: Perceptual,
    lambda_perceptual: float = 0.5,
) -> Tensor:
    """Compute the distortion of the background, Eq. (13).

    Args:
        x: source image, (B, 3, H, W) in [0, 1].
        x_hat: received image, (B, 3, H, W).
        mask: smoothed ROI mask M, (B, 1, H, W) in [0, 1].
        perceptual: distance of two image batches, (B,); LPIPS in the paper.
        lambda_perceptual: weight of the perceptual distance.

    Returns:
        D_bg, (B,). Source: LRISC Eq. (13).
    """
    background, background_hat = (1 - mask) * x, (1 - mask) * x_hat
    distance = perceptual(background, background_hat)
    return mean_squared_error(background, background_hat) + lambda_perceptual * distance


def grid_distortion(x: Tensor, x_hat: Tensor, *, period: int = 16) -> Tensor:
    """Compute the squared pattern that the errors in flat areas have in common.

    A decoder without a noise input, trained with a perceptual loss, makes texture from the position
    inside its own cell: one pattern of `period` x `period` pixels. The loss is the mean square of
    this pattern over the phases, times the flat fraction of the image; it is 0 without a pattern.

    Args:
        x: source image, (B, 3, H, W) in [0, 1].
        x_hat: received image, (B, 3, H, W).
        period: in pixels, the stride of the latent.

    Returns:
        (B,). Ours, not the paper's.
    """
    pattern, count = residual_by_phase(x, x_hat, period=period)
    flat = count.sum(dim=(1, 2, 3)) / x[0, 0].numel()  # (B,), fraction of the image
    return flat * pattern.square().mean(dim=(1, 2, 3))


def rate_distortion(rate: Tensor, distortion: Tensor, *, lambda_rate: float) -> Tensor:
    """Weigh rate against distortion and average over the batch, Eq. (14).

    Args:
        rate: expected CBR of each image, (B,).
        distortion: D_roi + D_bg of each image, (B,); of the image that crossed the channel, of
            the one that did not, or of both, concatenated.
        lambda_rate: weight of the rate.

    Returns:
        The loss, (). Source: LRISC Eq. (14).
    """
    return lambda_rate * rate.mean() + distortion.mean()
