"""Realism in regions: the region of interest faithful, the background natural."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

Decode = Callable[[float, Generator | None], Tensor]
"""(realism, generator of the noise) -> image (1, 3, H, W) in [0, 1]."""


def check_realism(*values: float | None) -> None:
    """Check what a user asks for; None asks for nothing.

    Raises:
        ValueError: if a value is not in [0, 1].
    """
    for value in values:
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"expected a realism in [0, 1], got {value:g}")


def decode_regions(
    decode: Decode,
    *,
    realism: float,
    realism_roi: float | None,
    find_roi: Callable[[Tensor], Tensor],
    generator: Generator | None,
) -> Tensor:
    """Decode an image with one realism, or with another one in its region of interest.

    The receiver has no mask, so it finds the region in the more faithful of its two images. Both
    start from the same noise.

    Args:
        decode: decodes the whole image.
        realism: in [0, 1]; of the background, if `realism_roi` differs.
        realism_roi: in [0, 1]; `realism` by default.
        find_roi: image (1, 3, H, W) -> mask (1, 1, H, W) in [0, 1].
        generator: of the noise.

    Returns:
        (1, 3, H, W) in [0, 1].

    Raises:
        ValueError: if a realism is not in [0, 1].
    """
    check_realism(realism, realism_roi)
    if realism_roi is None or realism_roi == realism:
        return decode(realism, generator)
    if generator is None:
        generator = Generator().manual_seed(torch.seed())
    state = generator.get_state()
    background = decode(realism, generator)
    roi = decode(realism_roi, generator.set_state(state))
    mask = find_roi(roi if realism_roi < realism else background)
    return mask * roi + (1 - mask) * background
