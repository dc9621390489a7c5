"""Damaged and odd images and masks, as files."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image

from lrisc_system.data.images import ImageError, load_image, load_mask
from torture.outcome import Tally, damage, tally

COUNT = 300
FORMATS = {"PNG": "png", "JPEG": "jpg", "TIFF": "tif", "BMP": "bmp", "WEBP": "webp", "GIF": "gif"}
MODES = ("1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F")


def torture_images(folder: Path, count: int = COUNT, *, seed: int = 0) -> Tally:
    """Read `count` files, each as an image or as a mask.

    Args:
        folder: empty, for the files.
        count: number of files.
        seed: of the damage.
    """

    def check(image: object) -> str | None:
        sound = isinstance(image, torch.Tensor) and 0 <= image.min() <= image.max() <= 1
        return None if sound else "expected values in [0, 1]"

    cases = make_cases(folder, count=count, random=Random(seed))
    return tally("images and masks", cases, allowed=ImageError, check=check)


def make_cases(
    folder: Path, *, count: int, random: Random
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the name and the reading of each file."""
    makers = (damaged_file, odd_picture, odd_picture, foreign_file, special_file)
    for index in range(count):
        make = makers[index % len(makers)]
        path = make(folder / str(index), random)
        as_mask = random.random() < 0.5

        def read(path: Path = path, as_mask: bool = as_mask) -> object:
            return load_mask(path, (24, 32)) if as_mask else load_image(path, max_pixels=10**6)

        yield f"{index} {make.__name__}", read


def picture(random: Random, *, mode: str) -> Image.Image:
    """Make a picture of few or many values, 24 x 32."""
    top = random.choice((1, 2, 20, 255))
    values = np.array([random.randint(0, top) for _ in range(24 * 32)]).reshape(24, 32)
    if mode in ("I;16", "I"):
        scale = random.choice((1, 257, 70_000))
        return Image.fromarray((values * scale).astype(np.uint16 if mode == "I;16" else np.int32))
    if mode == "F":
        return Image.fromarray((values / random.choice((1, 255))).astype(np.float32))
    return Image.fromarray(values.astype(np.uint8)).convert("RGBA").convert(mode)


def encoded(random: Random) -> tuple[bytes, str]:
    """Encode a picture in a format that takes its mode: its bytes and its suffix."""
    while True:
        kind, mode = random.choice(list(FORMATS)), random.choice(MODES)
        buffer = io.BytesIO()
        try:
            picture(random, mode=mode).save(buffer, kind)
        except (OSError, KeyError):
            continue
        return buffer.getvalue(), FORMATS[kind]


def damaged_file(path: Path, random: Random) -> Path:
    """Write an image with damaged bytes."""
    data, suffix = encoded(random)
    path = path.with_suffix(f".{suffix}")
    path.write_bytes(damage(data, random))
    return path


def odd_picture(path: Path, random: Random) -> Path:
    """Write a sound image of some mode, with some profile and orientation."""
    kind, mode = random.choice(("PNG", "TIFF")), random.choice(MODES)
    path = path.with_suffix(f".{FORMATS[kind]}")
    exif = Image.Exif()
    exif[0x0112] = random.randint(0, 9)
    options = {"icc_profile": random.randbytes(200)} if random.random() < 0.5 else {}
    try:
        picture(random, mode=mode).save(path, kind, exif=exif, **options)
    except (OSError, KeyError):
        picture(random, mode="L").save(path, kind)
    return path


def foreign_file(path: Path, random: Random) -> Path:
    """Write what is no image under the name of one."""
    content = random.choice((b"", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a", random.randbytes(300)))
    path = path.with_suffix(".png")
    path.write_bytes(content)
    return path


def special_file(path: Path, random: Random) -> Path:
    """Make a pipe, a dangling link, a folder, a bomb, or a name that is not UTF-8."""
    path = path.with_suffix(".png")
    kind = random.randrange(5)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.symlink_to(path.with_name("nowhere"))
    elif kind == 2:
        path.mkdir()
    elif kind == 3:
        Image.new("1", (20_000, 20_000)).save(path)
    else:
        path = Path(os.fsdecode(os.fsencode(path) + b"\xff.png"))
        path.write_bytes(b"no image")
    return path
