"""Image files in and out."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def load_image(path: Path) -> Tensor:
    """Read a photo as (1, 3, H, W) in [0, 1], upright by its EXIF tag.

    Grey, palette, transparent and 16-bit files become RGB; transparency is dropped.

    Raises:
        ValueError: The file is not an image or is damaged; the message is one line.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            # Pillow would clip 16 bits to 8 rather than scale them.
            deep = image.mode.startswith("I")
            pixels = np.asarray(image if deep else image.convert("RGB"), dtype=np.float32)
    except Exception as error:  # damaged files make Pillow raise a dozen types, struct.error too
        reason = " ".join(str(error).split())
        raise ValueError(f"cannot read {path.name}: {reason}") from error
    scaled = torch.from_numpy(pixels / (65535 if deep else 255))
    if deep:
        scaled = scaled[..., None].expand(-1, -1, 3)  # (H, W) -> (H, W, 3)
    return scaled.permute(2, 0, 1)[None].contiguous()  # (H, W, 3) -> (1, 3, H, W)


def save_mask(mask: Tensor, path: Path) -> None:
    """Write a mask (1, 1, H, W) in [0, 1] as an 8-bit PNG that appears whole or not at all.

    Raises:
        ValueError: The mask has another shape.
    """
    if mask.ndim != 4 or mask.shape[:2] != (1, 1):
        raise ValueError(f"expected a mask of shape (1, 1, H, W), got {tuple(mask.shape)}")
    grey = (mask[0, 0] * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        Image.fromarray(grey).save(part, format="PNG")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
