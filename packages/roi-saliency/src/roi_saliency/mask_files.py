"""Read masks from files: what is recognised is stated here, and all else is refused.

| file | what is the region of interest |
| --- | --- |
| 1 bit | white |
| 8 bits, grey | the fraction of 255; where only 0 and 1 occur, 1 |
| 16 bits, grey | the fraction of 65535; where only 0 and 1, or 0 and 255 occur, the larger |
| floats | the value, in [0, 1] |
| palette of greys | its greys, as above |
| palette of PASCAL VOC | every label but 0, the void border (255) included |
| with transparency | alpha of a cut-out; where all is opaque, its greys |

Refused: colours without transparency; few small numbers, which look like labels without a palette;
a grey picture with an alpha of its own; another shape than the photo's.
"""

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from roi_saliency.decoding import (
    MAX_PIXELS,
    WHITE_16,
    ImageError,
    deep_values,
    is_deep,
    open_picture,
    scale_deep,
)

GREY_MARK = ("Saliency", "grey")  # in the text of a PNG that `save_mask` wrote
GREY_TOLERANCE = 4  # between the channels of a grey JPEG
LABELS = 20  # classes of PASCAL VOC
MANY = 16  # different values, in a map that is no set of labels
ASPECT_TOLERANCE = 0.02


def load_mask(
    path: str | os.PathLike[str], size: tuple[int, int], *, max_pixels: int = MAX_PIXELS
) -> Tensor:
    """Read a mask file, resized to a photo's `size = (H, W)`.

    Returns:
        (1, 1, H, W) float32 in [0, 1].

    Raises:
        ImageError: the file cannot be read, or it cannot be told what its values mean.
        ValueError: `size` is not two positive numbers.
    """
    return decode_mask(Path(path), size, name=os.fspath(path), max_pixels=max_pixels)


def decode_mask(
    source: Path | bytes,
    size: tuple[int, int],
    *,
    name: str | Path,
    max_pixels: int = MAX_PIXELS,
) -> Tensor:
    """Read a mask from a file or from the content of one, as `load_mask` does."""
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"expected size (H, W) of positive numbers, got {tuple(size)}")
    with open_picture(source, name, max_pixels=max_pixels) as picture:
        values = _mask_values(picture, name)
    height, width = values.shape
    # A photo scaled to a mask of the same shape may be off by a pixel of the mask.
    allowed = max(size[0], size[1], ASPECT_TOLERANCE * height * size[1])
    if abs(height * size[1] - width * size[0]) > allowed:
        raise ImageError(
            f"{name}: expected a mask of the photo's shape, {size[1]} x {size[0]} or in that "
            f"ratio, got {width} x {height}"
        )
    mask = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))[None, None]
    if (height, width) != tuple(size):
        mask = F.interpolate(mask, size=tuple(size), mode="bilinear", antialias=True)
    return mask.clamp(0.0, 1.0)


def _mask_values(picture: Image.Image, name: str | Path) -> np.ndarray:
    """Turn a picture into (H, W) in [0, 1]."""
    if picture.mode == "F":
        return scale_deep(picture, name)
    if is_deep(picture):
        return _scale_greys(deep_values(picture), WHITE_16, name)
    known = picture.info.get(GREY_MARK[0]) == GREY_MARK[1]
    if picture.mode == "P":
        labels = _voc_labels(picture)
        if labels is not None:
            return labels
    upright = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:
        rgba = np.asarray(upright.convert("RGBA"))
        if rgba[..., 3].min() < 255:
            return _scale_greys(_cut_out(rgba, name), 255, name)
    rgb = np.asarray(upright.convert("RGB")).astype(np.int64)
    if _spread(rgb) > GREY_TOLERANCE:
        raise ImageError(
            f"{name}: expected a mask of greys, of PASCAL VOC's palette or with transparency, "
            "got other colours"
        )
    return rgb[..., 0] / 255.0 if known else _scale_greys(rgb[..., 0], 255, name)


def _spread(rgb: np.ndarray) -> int:
    """Return the largest difference between the channels of a pixel, (..., 3)."""
    return int((rgb.max(axis=-1) - rgb.min(axis=-1)).max())


def _scale_greys(values: np.ndarray, white: int, name: str | Path) -> np.ndarray:
    """Scale whole numbers to [0, 1], if it can be told what is white."""
    found = np.unique(values)
    low, high = int(found[0]), int(found[-1])
    if low < 0 or high > white:
        raise ImageError(f"{name}: expected a mask of 0 to {white}, got {low} to {high}")
    for one in (1, 255, white):
        if high in (0, one) and set(found.tolist()) <= {0, one} and (low == 0 or one == white):
            return values / one
    between = found[(found > 0) & (found < white)]
    few = len(found) < MANY
    labels = few and between.size > 0 and between.max() <= LABELS
    dark = high <= 255 if white > 255 else few and 2 * high < white
    if labels or dark:
        raise ImageError(
            f"{name}: expected a mask of 0 and 1, of greys up to {white} or with the palette of "
            f"PASCAL VOC, got {len(found)} values up to {high}, which may be labels"
        )
    return values / white


def _cut_out(rgba: np.ndarray, name: str | Path) -> np.ndarray:
    """Return the alpha (H, W) of a cut-out; refuse a grey picture, which may be a mask itself."""
    alpha, visible = rgba[..., 3].astype(np.int64), rgba[rgba[..., 3] > 0][:, :3].astype(np.int64)
    if not visible.size:
        raise ImageError(f"{name}: expected a mask, got a picture that is transparent everywhere")
    one_colour = bool((visible == visible[0]).all())
    if _spread(visible) <= GREY_TOLERANCE and not one_colour:
        raise ImageError(
            f"{name}: expected a mask in greys or in alpha, got both: remove one of them"
        )
    return alpha


def _voc_labels(picture: Image.Image) -> np.ndarray | None:
    """Return 1 for every label but 0 if the palette is that of PASCAL VOC, else none."""
    index = np.asarray(ImageOps.exif_transpose(picture))
    used = np.unique(index)
    palette = np.array(picture.getpalette("RGB") or []).reshape(-1, 3)
    if used[-1] >= len(palette) or not (palette[used] == voc_palette()[used]).all():
        return None
    return (index > 0).astype(np.float32)


def voc_palette() -> np.ndarray:
    """Compute the 256 colours of PASCAL VOC's label images: the bits of a label, three at a time.

    Source: Everingham et al., the development kit of PASCAL VOC 2012.

    Returns:
        (256, 3) in 0 to 255.
    """
    labels = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.int64)
    for place in range(8):
        for channel in range(3):
            bit = labels >> (3 * place + channel) & 1
            colours[:, channel] |= bit << (7 - place)
    return colours
