"""Images of any size on the grid of the latent: padded before, cropped after."""

import torch.nn.functional as F
from torch import Tensor

from lrisc_system.config import STRIDE


def pad_to_stride(image: Tensor, *, stride: int = STRIDE) -> Tensor:
    """Repeat the last row and column until both sides are multiples of `stride`.

    Works from 1 x 1 on, where a reflection has nothing to reflect.

    Args:
        image: `(B, C, H, W)`.
        stride: pixels per latent position.

    Returns:
        `(B, C, H', W')`, `H'` and `W'` the next multiples.
    """
    height, width = image.shape[-2:]
    if height < 1 or width < 1:
        raise ValueError(f"expected an image of at least 1 x 1, got {tuple(image.shape)}")
    return F.pad(image, (0, -width % stride, 0, -height % stride), mode="replicate")


def crop_to_size(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Undo `pad_to_stride`: keep the upper left `size = (H, W)` of `(B, C, H', W')`."""
    height, width = size
    if not (1 <= height <= image.shape[-2] and 1 <= width <= image.shape[-1]):
        raise ValueError(f"expected a size within {tuple(image.shape[-2:])}, got {tuple(size)}")
    return image[..., :height, :width]
