"""A perceptual distance at several scales.

The first layer of AlexNet has a stride of four pixels. A model trained with it at one scale alone
gets worse distances from other networks than a model trained on enlarged parts of the image too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

Distance = Callable[[Tensor, Tensor], Tensor]
"""Two batches of images (B, 3, H, W) in [0, 1] -> (B,)."""


def multiscale(perceptual: Distance, *, largest: int, generator: Generator) -> Distance:
    """Measure each pair of images at a magnification drawn at random for every call.

    The magnification m is an integer, uniform from 1 to `largest`. The network sees one random
    rectangle of 1/m of the height and the width of each pair of images, enlarged m times, so that
    every magnification costs the same.

    Args:
        perceptual: two batches of images (B, 3, H, W) in [0, 1] -> (B,).
        largest: largest magnification, at least 1; 1 leaves the images as they are.
        generator: generator of magnifications and rectangles, on the CPU: they decide shapes.

    Returns:
        A distance of the same kind.

    Raises:
        ValueError: a magnification below 1.
    """
    if largest < 1:
        raise ValueError(f"expected a magnification of at least 1, got {largest}")

    def distance(x: Tensor, x_hat: Tensor) -> Tensor:
        times = _draw_integer(largest, generator) + 1
        if times == 1:
            return perceptual(x, x_hat)
        parts = [_cut(pair, times, generator) for pair in torch.stack([x, x_hat], dim=1)]
        x, x_hat = torch.stack(parts, dim=1)  # B times (2, 3, H/m, W/m) -> (2, B, 3, H/m, W/m)
        return perceptual(_enlarge(x, times), _enlarge(x_hat, times))

    return distance


def _draw_integer(count: int, generator: Generator) -> int:
    """Draw from 0 .. count - 1."""
    return int(torch.randint(count, (), generator=generator))


def _cut(pair: Tensor, times: int, generator: Generator) -> Tensor:
    """Crop one random rectangle from a stack of two images (2, 3, H, W)."""
    for dimension in (-2, -1):
        side = max(1, pair.shape[dimension] // times)
        first = _draw_integer(pair.shape[dimension] - side + 1, generator)
        pair = pair.narrow(dimension, first, side)
    return pair


def _enlarge(x: Tensor, times: int) -> Tensor:
    return interpolate(x, scale_factor=float(times), mode="bilinear")
