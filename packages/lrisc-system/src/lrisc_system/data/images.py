"""Images in and out of tensors: every kind of photo in, one clear line when it is not one."""

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

    Grey (8 and 16 bits), palette, CMYK and transparent images become RGB, transparent ones over
    white; the EXIF orientation is applied; of an animation, the first frame is taken.

    Returns:
        `(1, 3, H, W)` float32 in `[0, 1]`.

    Raises:
        ImageError: the file is missing, no image, damaged, truncated, or too large to be a photo
            (more pixels than `PIL.Image.MAX_IMAGE_PIXELS`, 89 million by default).
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


def pad_to_stride(image: Tensor, *, stride: int = 16) -> Tensor:
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


def _read_pixels(path: Path) -> np.ndarray:
    """Decode a file to float32 in [0, 1], (H, W) when grey with 16 bits, else (H, W, 3)."""
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
    # Decoders of damaged files raise whatever their parsers trip over.
    except Exception as error:
        raise ImageError(f"{name}: damaged or unreadable image ({_one_line(error)})") from error


def _to_pixels(picture: Image.Image, name: str | Path) -> np.ndarray:
    """Scale any of Pillow's modes to [0, 1]."""
    if picture.mode.startswith("I"):  # 16 bits, which older Pillows keep in 32
        return _scaled(np.asarray(picture).astype(np.float32) / 65535.0, name)
    if picture.mode == "F":
        return _scaled(np.asarray(picture, dtype=np.float32), name)
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"), dtype=np.float32) / 255.0


def _scaled(pixels: np.ndarray, name: str | Path) -> np.ndarray:
    """Refuse deep grey images whose white is unknown."""
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0.0 and high <= 1.0):
        raise ImageError(
            f"{name}: expected grey values of 8 or 16 bits, or floats in [0, 1], "
            f"got {low:g} to {high:g} of full scale"
        )
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
    """The error's message without line breaks, or its type when it has none."""
    return " ".join(str(error).split()) or type(error).__name__
