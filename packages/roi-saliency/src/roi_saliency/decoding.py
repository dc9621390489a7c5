"""Open image files from anywhere: pixels in sRGB, or an error of one line that names the file.

What is opened is decided here, for the command of this package and for whoever imports it: few
formats, none of which runs another program; a limit on the pixels before any is decoded.
"""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 89_478_485  # Pillow's limit: a quarter of a GiB at three bytes a pixel
WHITE_16 = 65535
MIN_DEEP_WHITE = 255  # 32-bit integers up to here may be 8-bit values, which would come out black
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # a tag of TIFF
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_opening = threading.Lock()


class ImageError(ValueError):
    """An image file that cannot be read or written; the message is one line naming the file."""

    def __init__(self, message: str) -> None:
        # A name that is not UTF-8 could not be printed.
        super().__init__(message.encode("utf-8", "backslashreplace").decode())


@contextmanager
def open_picture(
    source: Path | bytes, name: str | Path, *, max_pixels: int
) -> Iterator[Image.Image]:
    """Open an image and decode its first frame.

    Whatever goes wrong in this context, there or in the caller's use of the picture, becomes an
    `ImageError`.

    Args:
        source: path of a file, or the content of one.
        name: of the file, for errors.
        max_pixels: largest image to decode.

    Raises:
        ImageError: if the file is missing, empty, no regular file, no image, damaged or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _open(source, name) as picture:
                _check_size(picture, name, max_pixels)
                picture.load()
                yield picture
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: not an image, or not of {', '.join(FORMATS)}") from error
    # Decoders raise errors of any type on damaged files.
    except Exception as error:
        raise ImageError(f"{name}: damaged or unreadable image ({one_line(error)})") from error


def _open(source: Path | bytes, name: str | Path) -> Image.Image:
    """Read the header of an image, without Pillow's own limit: the caller has one."""
    if isinstance(source, Path):
        if not source.exists():
            raise ImageError(f"{name}: no such file")
        if not source.is_file():
            raise ImageError(f"{name}: expected an image file, got a folder or a device")
    empty = source.stat().st_size == 0 if isinstance(source, Path) else not source
    if empty:
        raise ImageError(f"{name}: the file is empty")
    Image.init()  # registers the formats
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(
                source if isinstance(source, Path) else io.BytesIO(source), formats=FORMATS
            )
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def read_size(path: Path, *, max_pixels: int) -> tuple[int, int]:
    """Read (width, height) of an image from its header, as they are stored.

    Raises:
        ImageError: as `open_picture`, for what the header tells.
    """
    try:
        with _open(path, path) as picture:
            _check_size(picture, path, max_pixels)
            return picture.size
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{path}: damaged or unreadable image ({one_line(error)})") from error


def _check_size(picture: Image.Image, name: str | Path, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise ImageError(
            f"{name}: too many pixels for a photo: expected at most {max_pixels} "
            f"(--max-pixels), got {picture.width} x {picture.height}"
        )


def read_pixels(source: Path | bytes, name: str | Path, *, max_pixels: int) -> np.ndarray:
    """Read a photo as float32 in [0, 1]: (H, W) of greys of more than 8 bits, else (H, W, 3).

    Args:
        source: path of a file, or the content of one.
        name: of the file, for errors.
        max_pixels: largest image to decode.

    Raises:
        ImageError: as `open_picture`, or if it cannot be told what grey is white.
    """
    with open_picture(source, name, max_pixels=max_pixels) as picture:
        if is_deep(picture):
            return scale_deep(picture, name)
        rgb = _to_srgb(ImageOps.exif_transpose(picture))
        return np.asarray(rgb, dtype=np.float32) / 255.0


def is_deep(picture: Image.Image) -> bool:
    """Whether a picture has greys of more than 8 bits, or floats."""
    return picture.mode == "F" or picture.mode.startswith("I")


def scale_deep(picture: Image.Image, name: str | Path) -> np.ndarray:
    """Scale greys of 16 or 32 bits, or floats, to (H, W) in [0, 1].

    Raises:
        ImageError: if they are out of range, or if it cannot be told what grey is white.
    """
    values = deep_values(picture)
    white = 1.0 if picture.mode == "F" else float(WHITE_16)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0.0 and high <= white):
        raise ImageError(
            f"{name}: expected grey values of 8 or 16 bits, or floats in [0, 1], "
            f"got {low / white:g} to {high / white:g} of full scale"
        )
    if picture.format == "TIFF" and picture.mode == "I" and 0 < high <= MIN_DEEP_WHITE:
        raise ImageError(
            f"{name}: expected 32-bit integers up to 65535, got up to {high:g}, which may be "
            "8-bit values: store them in 8 or 16 bits"
        )
    pixels = values.astype(np.float32) / np.float32(white)
    if "transparency" in picture.info:  # a PNG may call one grey transparent
        pixels[values == picture.info["transparency"]] = 1.0
    return pixels


def deep_values(picture: Image.Image) -> np.ndarray:
    """Return the upright numbers (H, W) of a deep picture, 0 for black."""
    values = np.asarray(ImageOps.exif_transpose(picture))
    tags = getattr(picture, "tag_v2", {})
    if picture.mode.startswith("I;16") and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        values = WHITE_16 - values
    return values


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Convert a picture of 8 bits to RGB on white, by its ICC profile if it has one."""
    colour = picture.convert(_colour_mode(picture))
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    profile = picture.info.get("icc_profile")
    rgb = colour.convert("RGB") if not profile else _apply_profile(colour, profile)
    if alpha is not None:
        white = Image.new("RGBA", picture.size, "white")
        rgb.putalpha(alpha)
        rgb = Image.alpha_composite(white, rgb).convert("RGB")
    return rgb


def _colour_mode(picture: Image.Image) -> str:
    """Choose the mode in which the profile of a picture speaks."""
    if picture.mode in ("1", "L", "LA"):
        return "L"
    return "CMYK" if picture.mode == "CMYK" else "RGB"


def _apply_profile(colour: Image.Image, data: bytes) -> Image.Image:
    """Convert a picture to sRGB; a profile that is damaged or of other colours is ignored."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        space = profile.profile.xcolor_space.strip()
        title = ImageCms.getProfileDescription(profile).strip()
        same = title.startswith("sRGB") and "linear" not in title.lower()
        if space != _PROFILE_SPACES[colour.mode] or (same and colour.mode == "RGB"):
            return colour.convert("RGB")
        converted = ImageCms.profileToProfile(
            colour,
            profile,
            _SRGB,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return colour.convert("RGB") if converted is None else converted
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return colour.convert("RGB")


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks, or its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
