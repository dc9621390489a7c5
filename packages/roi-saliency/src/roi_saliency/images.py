"""Find and read photos, and write masks."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from roi_saliency.decoding import MAX_PIXELS, ImageError, read_pixels
from roi_saliency.mask_files import GREY_MARK

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
FOREIGN_FOLDERS = frozenset({"__MACOSX"})


def list_images(folder: Path, *, without: Iterable[Path] = ()) -> list[Path]:
    """List the image files in a folder and its subfolders, sorted.

    Links to folders are followed, each folder once. Hidden files and folders are not listed, nor
    what macOS leaves beside photos (`._photo.jpg`, `__MACOSX`).

    Args:
        folder: where to look.
        without: folders in it to leave out, such as one for results.

    Raises:
        ValueError: if the folder is missing or holds no image.
        OSError: if a folder cannot be read.
    """
    if not folder.is_dir():
        raise ValueError(f"expected a folder of images, got {folder}")
    left_out = {os.path.realpath(path) for path in without}
    paths = sorted(Path(path) for path in _walk(folder, left_out) if _is_listed(path))
    if not paths:
        raise ValueError(
            f"expected images ({', '.join(sorted(IMAGE_SUFFIXES))}) in {folder}, got none"
        )
    return paths


def _is_listed(path: str) -> bool:
    name = os.path.basename(path)
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _walk(root: Path, left_out: set[str]) -> Iterator[str]:
    """Yield the files below a folder."""
    seen = {os.path.realpath(root)}

    def refuse(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        kept = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(place, name))
            hidden = name.startswith(".") or name in FOREIGN_FOLDERS
            if not hidden and real not in seen and real not in left_out:
                seen.add(real)
                kept.append(name)
        folders[:] = kept
        yield from (os.path.join(place, name) for name in files)


def load_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Read an image file as RGB in sRGB.

    - Grey, palette and CMYK images become RGB, by the image's ICC profile if it has one. A profile
      that is damaged, of other colours, or of greys of more than 8 bits is ignored.
    - Transparent pixels lie on white.
    - Grey integers of more than 8 bits, in 16 or 32: 65535 is white, more is refused, and so are
      32-bit integers that do not exceed 255. (Pillow reads colours of 16 bits as 8.)
    - Grey floats: 1.0 is white; values below 0 or above 1 are refused.
    - The EXIF orientation is applied.
    - Of an animation or a document, the first frame is taken.

    Args:
        path: of the file.
        max_pixels: largest image to decode.

    Returns:
        `(1, 3, H, W)` float32 in `[0, 1]`.

    Raises:
        ImageError: the file is missing, no image, damaged, truncated, of unknown white, or too
            large.
    """
    return _to_image(read_pixels(Path(path), os.fspath(path), max_pixels=max_pixels))


def decode_image(data: bytes, *, name: str, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Read an image from the bytes of its file, as `load_image` does.

    Args:
        data: the whole file.
        name: what an error calls it.
        max_pixels: largest image to decode.

    Raises:
        ImageError: as `load_image`.
    """
    return _to_image(read_pixels(data, name, max_pixels=max_pixels))


def _to_image(pixels: np.ndarray) -> Tensor:
    """Turn pixels (H, W) or (H, W, 3) into (1, 3, H, W)."""
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).contiguous()


def save_mask(mask: Tensor, path: Path) -> None:
    """Write a mask (1, 1, H, W) in [0, 1] as an 8-bit PNG; the file is never incomplete.

    A text in the file says that its values are greys: of a mask without it, 0 and 1 could be all.

    Raises:
        ValueError: The mask has another shape.
        ImageError: The file cannot be written.
    """
    if mask.ndim != 4 or mask.shape[:2] != (1, 1):
        raise ValueError(f"expected a mask of shape (1, 1, H, W), got {tuple(mask.shape)}")
    grey = (mask[0, 0] * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    text = PngInfo()
    text.add_text(*GREY_MARK)
    part = path.with_name(f".{path.name[:100]}.{os.getpid()}.part")
    try:
        Image.fromarray(grey).save(part, format="PNG", pnginfo=text)
        part.replace(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        part.unlink(missing_ok=True)
