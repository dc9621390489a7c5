"""The photos in one tar shard, each with its mask: what counts as which, and what is refused.

| file in the shard | read as |
| --- | --- |
| `name.jpg` and other image suffixes | a photo |
| `name.mask.png`, in any case of letters | the mask of the photo `name` |
| `name.seg.png`, `name.left.jpg` beside `name.jpg` | passed over: another picture of that sample |
| hidden files, `__MACOSX`, files of other suffixes | passed over |
| a link, or two photos of one name | a photo that cannot be read |

Files of one sample lie together, as in WebDataset; only the last dot of a name ends it.
"""

from __future__ import annotations

import tarfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

import fsspec

from lrisc_system.data.images import ImageError
from roi_saliency.images import FOREIGN_FOLDERS, IMAGE_SUFFIXES

MASK_SUFFIX = ".mask.png"
MAX_MEMBER = 1 << 30  # bytes of a file in a shard
MAX_HEADER = 1 << 20  # bytes of a long name or of other extended headers
MAX_RATIO = 200  # of unpacked to packed bytes; photos hardly shrink
FREE_BYTES = 1 << 22  # packed bytes that the ratio does not yet count
EXTENDED_TYPES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
WINDOW = 16  # files of one sample lie within so many of each other


@dataclass(frozen=True)
class ShardPhoto:
    """A photo in a shard before decoding: its name, and the bytes of its files.

    Attributes:
        name: of the photo, without its suffix; or of a shard that cannot be read.
        image: content of the image file.
        mask: content of its mask, if there is one.
        error: why it cannot be read; none if it may be.
    """

    name: str
    image: bytes
    mask: bytes | None
    error: str | None = None


def read_shard(url: str) -> Iterator[ShardPhoto]:
    """Read the photos of a shard in order, each with its mask if there is one.

    Raises:
        ImageError: if the shard is missing, damaged, unpacks to far more than it holds, or is of a
            scheme that lacks its package.
    """
    if "://" not in url and not Path(url).is_file():
        raise ImageError(f"{url}: cannot be read (no such file)")
    try:
        with (
            fsspec.open(url, "rb") as stream,
            tarfile.open(fileobj=stream, mode="r|*", tarinfo=_BoundedTarInfo) as shard,
        ):
            yield from _pair(_files(shard, stream))
    except ImageError:
        raise
    # Sources of data raise errors of any type.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{url}: cannot be read ({reason})") from error


class _BoundedTarInfo(tarfile.TarInfo):
    """A header that is refused before `tarfile` reads what it announces."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _BoundedTarInfo:
        """Read a header; a long name and the like may not be longer than `MAX_HEADER`."""
        info = super().frombuf(buf, encoding, errors)
        extended = info.type in EXTENDED_TYPES
        if info.size > (MAX_HEADER if extended else MAX_MEMBER):
            raise ValueError(f"a file of {info.size} bytes is no photo")
        return info


@dataclass(frozen=True)
class _File:
    """A photo or a mask: the name of its sample, its own name, its content or what is wrong."""

    stem: str
    name: str
    is_mask: bool
    content: bytes
    error: str | None = None


def _files(shard: tarfile.TarFile, stream: IO[bytes]) -> Iterator[_File]:
    """Read the photos and the masks of a shard, in their order."""
    for entry in shard:
        if entry.size > MAX_MEMBER or entry.offset > MAX_RATIO * max(stream.tell(), FREE_BYTES):
            raise ValueError(f"{entry.name} or what is before it unpacks to more than photos")
        path = PurePosixPath(entry.name)
        hidden = any(part.startswith(".") or part in FOREIGN_FOLDERS for part in path.parts)
        is_mask = path.name.lower().endswith(MASK_SUFFIX)
        if hidden or entry.isdir() or path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        name = path.name[: -len(MASK_SUFFIX)] if is_mask else path.stem
        file = _File(str(path.parent / name), str(path), is_mask, b"")
        content = shard.extractfile(entry) if entry.isfile() else None
        if content is None:
            yield replace(file, error=f"{path}: expected a file, got a link or a device")
        else:
            yield replace(file, content=content.read())


def _pair(files: Iterator[_File]) -> Iterator[ShardPhoto]:
    """Join the photos with their masks, which lie within `WINDOW` files of them."""
    before: deque[_File] = deque(maxlen=WINDOW)
    after: deque[_File] = deque()
    for file in files:
        after.append(file)
        while after and (len(after) > WINDOW or _sample(after[0]) != _sample(file)):
            yield from _resolve(before, after)
    while after:
        yield from _resolve(before, after)


def _sample(file: _File) -> str:
    """Return the name of a sample of WebDataset: all up to the first dot."""
    path = PurePosixPath(file.stem)
    return str(path.parent / path.name.split(".", 1)[0])


def _resolve(before: deque[_File], after: deque[_File]) -> Iterator[ShardPhoto]:
    """Take the first file of `after`, and yield it if it is a photo of its own."""
    file = after.popleft()
    near = [*before, *after]
    before.append(file if file.is_mask else replace(file, content=b""))
    photos = [other for other in near if not other.is_mask]
    extra = any(file.stem.startswith(f"{other.stem}.") for other in photos)
    twins = [other for other in photos if other.stem == file.stem]
    if file.is_mask or extra or any(twin in before for twin in twins):
        return
    masks = [other for other in near if other.is_mask and other.stem == file.stem]
    error = file.error or next((mask.error for mask in masks if mask.error), None)
    if twins:
        error = f"{file.stem}: expected one photo, got {file.name} and {twins[0].name}"
    elif len(masks) > 1:
        error = f"{file.stem}: expected one mask, got {masks[0].name} and {masks[1].name}"
    yield ShardPhoto(file.stem, file.content, masks[0].content if masks else None, error)
