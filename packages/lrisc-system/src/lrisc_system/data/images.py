"""Reading and writing of image files, with errors of one line that name the file."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from lrisc_system.storage.files import write_atomically

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


class ImageError(ValueError):
    """An image file that cannot be read or written; the message is one line naming the file."""


def load_image(path: str | os.PathLike[str]) -> Tensor:
    """Read an image file as RGB.

    - Grey, palette and CMYK images become RGB.
    - Transparent pixels lie on white.
    - Grey integers of more than 8 bits, in 16 or 32: 65535 is white, more is refused. (Pillow
      reads colours of 16 bits as 8.)
    - Grey floats: 1.0 is white; values below 0 or above 1 are refused.
    - The EXIF orientation is applied.
    - Of an animation or a document, the first frame is taken.

    Returns:
        `(1, 3, H, W)` float32 in `[0, 1]`.

    Raises:
        ImageError: the file is missing, no image, damaged, truncated, of greys beyond white, or
            too large to be a photo (more pixels than `PIL.Image.MAX_IMAGE_PIXELS`, 89 million by
            default).
    """
    return _to_image(_read_pixels(Path(path)))


def decode_image(data: bytes, *, name: str) -> Tensor:
    """Read an image from the bytes of its file, as `load_image` does.

    Args:
        data: the whole file.
        name: what an error calls it.

    Raises:
        ImageError: as `load_image`.
    """
    if not data:
        raise ImageError(f"{name}: the file is empty")
    return _to_image(_decode(io.BytesIO(data), name))


def _to_image(pixels: np.ndarray) -> Tensor:
    """Turn pixels (H, W) or (H, W, 3) into (1, 3, H, W)."""
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).contiguous()


def load_mask(path: str | os.PathLike[str], size: tuple[int, int]) -> Tensor:
    """Read a mask file as grey values, resized to `size = (H, W)`.

    Returns:
        `(1, 1, H, W)` float32 in `[0, 1]`.

    Raises:
        ImageError: as `load_image`.
        ValueError: `size` is not two positive numbers.
    """
    return to_mask(load_image(path), size)


def to_mask(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Turn an image (1, 3, H', W') into a mask (1, 1, H, W) of its grey values, resized."""
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"expected size (H, W) of positive numbers, got {tuple(size)}")
    luma = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601
    mask = torch.einsum("bchw,c->bhw", image, luma).unsqueeze(1)  # (1, 3, H, W) -> (1, 1, H, W)
    if mask.shape[-2:] != tuple(size):
        mask = F.interpolate(mask, size=tuple(size), mode="bilinear", antialias=True)
    return mask.clamp(0.0, 1.0)


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
        raise ImageError(f"{path}: cannot be written ({_one_line(error)})") from error


def _read_pixels(path: Path) -> np.ndarray:
    """Decode a file to float32 in [0, 1], (H, W) of deep greys, else (H, W, 3)."""
    if not path.exists():
        raise ImageError(f"{path}: no such file")
    if not path.is_file():
        raise ImageError(f"{path}: expected an image file, got a folder or a device")
    try:
        empty = path.stat().st_size == 0
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({_one_line(error)})") from error
    if empty:
        raise ImageError(f"{path}: the file is empty")
    return _decode(path, path)


def _decode(source: Path | io.BytesIO, name: str | Path) -> np.ndarray:
    """Decode what Pillow can open; errors call it by its name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Pillow warns above its limit and raises only above twice that.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source) as picture:
                picture.load()
                return _to_pixels(ImageOps.exif_transpose(picture), name)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name}: too many pixels for a photo ({_one_line(error)})") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: not an image, or of a format that Pillow cannot read") from error
    # Decoders raise errors of any type on damaged files.
    except Exception as error:
        raise ImageError(f"{name}: damaged or unreadable image ({_one_line(error)})") from error


def _to_pixels(picture: Image.Image, name: str | Path) -> np.ndarray:
    """Scale any of Pillow's modes to [0, 1]: (H, W) of deep greys, else (H, W, 3)."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _scale_deep(picture, name)
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"), dtype=np.float32) / 255.0


def _scale_deep(picture: Image.Image, name: str | Path) -> np.ndarray:
    """Scale greys of 16 or 32 bits; refuse those whose white is unknown."""
    white = 1.0 if picture.mode == "F" else 65535.0
    values = np.asarray(picture)
    pixels = values.astype(np.float32) / np.float32(white)
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0.0 and high <= 1.0):
        raise ImageError(
            f"{name}: expected grey values of 8 or 16 bits, or floats in [0, 1], "
            f"got {low:g} to {high:g} of full scale"
        )
    if "transparency" in picture.info:  # a PNG may call one grey transparent
        pixels[values == picture.info["transparency"]] = 1.0
    return pixels


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


def _one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks, or its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
