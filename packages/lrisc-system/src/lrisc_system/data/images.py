"""Reading and writing of image files, with errors of one line that name the file.

Images and masks are read by `roi_saliency`, by the same rules as its own command reads them.
"""

import io
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lrisc_system.storage.files import write_atomically
from roi_saliency.decoding import ImageError as ImageError
from roi_saliency.decoding import one_line
from roi_saliency.decoding import read_size as read_size
from roi_saliency.images import decode_image as decode_image
from roi_saliency.images import load_image as load_image
from roi_saliency.mask_files import decode_mask as decode_mask
from roi_saliency.mask_files import load_mask as load_mask

# What can be written, and the options that Pillow takes for it.
FORMATS: dict[str, tuple[str, dict[str, int | bool]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95}),
    ".jpeg": ("JPEG", {"quality": 95}),
    ".webp": ("WEBP", {"quality": 95}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
}


def save_image(image: Tensor, path: str | os.PathLike[str]) -> None:
    """Write an image, rounded to 8 bits, in the format that the suffix names.

    Args:
        image: `(3, H, W)` or `(1, 3, H, W)`; values outside `[0, 1]` are clipped.
        path: ends in one of `FORMATS`; the file appears whole or not at all.

    Raises:
        ImageError: an unknown suffix, or the file cannot be written.
        ValueError: another shape, or values that are not finite.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ImageError(f"{path}: expected a suffix of {', '.join(FORMATS)}, got {path.suffix!r}")
    name, options = FORMATS[path.suffix.lower()]
    buffer = io.BytesIO()
    picture = Image.fromarray(_to_bytes(image))
    try:
        picture.save(buffer, format=name, **options)
        write_atomically(path, buffer.getvalue())
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be written ({one_line(error)})") from error


def _to_bytes(image: Tensor) -> np.ndarray:
    """Round (3, H, W) or (1, 3, H, W) to (H, W, 3) bytes."""
    shape = tuple(image.shape)
    if image.ndim == 4 and shape[0] == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] != 3 or image.numel() == 0:
        raise ValueError(f"expected an image (3, H, W) or (1, 3, H, W), got {shape}")
    if not torch.isfinite(image).all():
        raise ValueError("expected finite image values, got NaN or infinity")
    bytes_ = image.detach().float().clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8)
    return bytes_.permute(1, 2, 0).cpu().contiguous().numpy()
