"""A perceptual distance through a window: a part of each image, for a part of the arithmetic."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from lrisc_system.losses import Perceptual


def through_window(perceptual: Perceptual, *, side: int, generator: Generator) -> Perceptual:
    """Let a distance look at one random square of each pair of images.

    Squares are drawn anew at every call, all places alike, so that over many steps the whole
    image is seen. What the network makes of a square's border differs from what it makes of the
    same place inside the image, for both images of a pair alike.

    Args:
        perceptual: two batches of images (B, 3, H, W) in [0, 1] -> (B,).
        side: of the squares, in pixels; a shorter side of the image is seen whole.
        generator: of the places, on the images' device.

    Returns:
        A distance of the same kind.

    Raises:
        ValueError: a side below 1.
    """
    if side < 1:
        raise ValueError(f"expected a window of at least one pixel, got {side}")

    def distance(x: Tensor, x_hat: Tensor) -> Tensor:
        squares = [_cut(pair, side, generator) for pair in torch.stack([x, x_hat], dim=1)]
        x, x_hat = torch.stack(squares, dim=1)  # B times (2, 3, S, S) -> (2, B, 3, S, S)
        return perceptual(x, x_hat)

    return distance


def _cut(pair: Tensor, side: int, generator: Generator) -> Tensor:
    """Cut one random square out of images (2, 3, H, W) that lie one above the other."""
    for dimension in (-2, -1):
        room = max(0, pair.shape[dimension] - side)
        first = int(torch.randint(room + 1, (), generator=generator, device=generator.device))
        pair = pair.narrow(dimension, first, pair.shape[dimension] - room)
    return pair
