"""Read photos and write masks."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def load_image(path: Path) -> Tensor:
    """Read a photo as (1, 3, H, W) in [0, 1], rotated by its EXIF tag.

    Grey, palette and CMYK files are converted to RGB, and transparent pixels are put on white. In
    grey images of more than 8 bits, 65535 is white; in float images, 1.0 is white. Larger values
    are refused. `lrisc_system.load_image` gives the same pixels.

    Raises:
        ValueError: The file is not an image or is damaged; the message is one line.
    """
    try:
        with Image.open(path) as file:
            pixels = _to_pixels(ImageOps.exif_transpose(file))
    except Exception as error:  # damaged files make Pillow raise a dozen types, struct.error too
        reason = " ".join(str(error).split())
        raise ValueError(f"cannot read {path.name}: {reason}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()  # -> (1, 3, H, W)


def _to_pixels(image: Image.Image) -> np.ndarray:
    """Scale any of Pillow's modes to float32 in [0, 1], (H, W, 3)."""
    if image.mode == "F" or image.mode.startswith("I"):  # Pillow would clip them to 8 bits
        values = np.asarray(image)
        grey = values.astype(np.float32) / np.float32(1.0 if image.mode == "F" else 65535.0)
        if not (grey.min() >= 0 and grey.max() <= 1):
            raise ValueError(
                f"expected greys up to 65535, or floats up to 1, got {values.min()}..{values.max()}"
            )
        if "transparency" in image.info:  # a PNG may declare one grey value transparent
            grey[values == image.info["transparency"]] = 1.0
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"), dtype=np.float32) / 255.0


def save_mask(mask: Tensor, path: Path) -> None:
    """Write a mask (1, 1, H, W) in [0, 1] as an 8-bit PNG; the file is never incomplete.

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
