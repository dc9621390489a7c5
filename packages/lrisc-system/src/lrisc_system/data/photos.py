"""Photos for training: random crops that depend on a seed alone, and their saliency maps."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader, Dataset

from lrisc_system.data.crops import Crop, CropSampler, DataPartition, cut, mix_seed
from lrisc_system.data.images import ImageError, load_image, load_mask
from lrisc_system.limits import MAX_PIXELS, check_bad_share
from roi_saliency import BarrierDetector, SaliencyDetector
from roi_saliency.images import list_images as list_images

VALIDATION_SHARE = 40  # one photo in forty


def split_validation(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Split photos into training and validation by a hash of their names, the same every time."""

    def held_out(path: Path) -> bool:
        return zlib.crc32(os.fsencode(path.stem)) % VALIDATION_SHARE == 0

    return [p for p in paths if not held_out(p)], [p for p in paths if held_out(p)]


def find_masks(photos: Sequence[Path], folder: Path, *, root: Path) -> list[Path]:
    """Find the saliency map of every photo of a set.

    The masks lie as the photos do: `root/a/001.jpg` has `folder/a/001.png`. They may also lie in
    `folder` itself, `folder/001.png`, if only one photo of the set has that stem.

    Args:
        photos: all photos of the set.
        folder: of the masks.
        root: folder of the photos.

    Returns:
        The mask of each photo.

    Raises:
        ValueError: naming a photo without a mask, or what makes it ambiguous.
    """
    by_stem: dict[str, list[Path]] = {}
    mirrored: dict[Path, Path] = {}
    for photo in photos:
        by_stem.setdefault(photo.stem, []).append(photo)
        other = mirrored.setdefault(photo.relative_to(root).with_suffix(".png"), photo)
        if other is not photo:
            raise ValueError(f"expected a mask for every photo, got one for {other} and {photo}")
    return [
        _find_mask(
            folder,
            inside,
            photo=photo,
            same_stem=by_stem[photo.stem],
            shared=Path(inside.name) in mirrored,
        )
        for inside, photo in mirrored.items()
    ]


def _find_mask(
    folder: Path, inside: Path, *, photo: Path, same_stem: Sequence[Path], shared: bool
) -> Path:
    """Find one mask.

    Args:
        folder: of the masks.
        inside: where in it the mask should lie.
        photo: that the mask is of.
        same_stem: all photos of the stem.
        shared: whether the mask of that name in `folder` itself belongs to a photo beside it.
    """
    own, flat = folder / inside, folder / inside.name
    if own.is_file():
        if flat != own and flat.is_file() and not shared:
            raise ValueError(f"expected one mask for a photo, got {own} and {flat}")
        return own
    if not flat.is_file() or flat == own:
        raise ValueError(f"expected a mask for every photo, got none for {photo}: {own}")
    if len(same_stem) > 1:
        raise ValueError(
            f"expected masks in the folders of their photos, got {flat} for {same_stem[0]} and "
            f"{same_stem[1]}"
        )
    return flat


class Source(Protocol):
    """A source of training crops: a folder of photos, or streamed shards."""

    def crops(self, *, size: int, count: int, seed: int) -> Iterator[Tensor]:
        """Yield up to `count` crops (3, size, size), one a photo, to initialise a model."""
        ...

    def batches(self, partition: DataPartition, *, workers: int) -> Iterator[Samples]:
        """Yield the micro-batches of a process; `workers` other processes load them."""
        ...

    def fingerprint(self) -> Fingerprint:
        """Identify the data by the names and sizes of its files."""
        ...


@dataclass(frozen=True)
class Fingerprint:
    """Identity of a set of files: their number, and a hash of their names and sizes."""

    files: int
    sha256: str


def hash_names(sizes: Iterable[tuple[str, int]]) -> Fingerprint:
    """Hash file names, without their folders, and sizes in bytes."""
    lines = sorted(f"{name}\0{size}\n" for name, size in sizes)
    text = "".join(lines).encode("utf-8", "surrogateescape")  # of names that are not UTF-8 too
    return Fingerprint(len(lines), hashlib.sha256(text).hexdigest())


def hash_files(paths: Iterable[Path]) -> Fingerprint:
    """Hash the names and sizes of files; one that is missing counts as of size -1."""
    return hash_names((path.name, _size(path)) for path in paths)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


@dataclass(frozen=True)
class Sample:
    """One training crop."""

    image: Tensor  # (3, S, S) in [0, 1]
    saliency: Tensor  # (1, S, S) in [0, 1]
    name: str  # of the photo
    skipped: tuple[str, ...] = ()  # errors of unreadable photos that this one replaces


@dataclass(frozen=True)
class Samples:
    """A batch of training crops."""

    image: Tensor  # (B, 3, S, S) in [0, 1]
    saliency: Tensor  # (B, 1, S, S) in [0, 1]
    names: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def to(self, device: torch.device) -> Samples:
        """Move the batch to a device, asynchronously from pinned memory."""
        image, saliency = (
            tensor.to(device, non_blocking=True) for tensor in (self.image, self.saliency)
        )
        return replace(self, image=image, saliency=saliency)

    def pin_memory(self) -> Samples:
        """Copy the batch to pinned memory; `DataLoader` calls this."""
        return replace(self, image=self.image.pin_memory(), saliency=self.saliency.pin_memory())

    def resized(self, size: int) -> Samples:
        """Scale the crops to `size` x `size`."""
        if self.image.shape[-1] == size:
            return self
        pair = interpolate(
            torch.cat([self.image, self.saliency], dim=1),
            size=[size, size],
            mode="bilinear",
            antialias=True,
        )
        return replace(self, image=pair[:, :3], saliency=pair[:, 3:])


def collate(samples: list[Sample]) -> Samples:
    """Stack crops of one size into a batch."""
    return Samples(
        image=torch.stack([sample.image for sample in samples]),
        saliency=torch.stack([sample.saliency for sample in samples]),
        names=tuple(sample.name for sample in samples),
        skipped=tuple(line for sample in samples for line in sample.skipped),
    )


@dataclass
class PhotoCrops(Dataset[Sample]):
    """Photos indexed by `Crop`, so that a sample depends on nothing but its index.

    The next readable photo in the list replaces a photo that cannot be read; `Sample.skipped` holds
    the error.

    Args:
        photos: image files.
        masks: their saliency maps; without them, `detector` makes them.
        detector: maps an image to its saliency map.
        max_pixels: largest image to decode.
        max_bad_share: largest fraction of the photos that may be unreadable.
    """

    photos: list[Path]
    masks: list[Path] | None = None
    detector: SaliencyDetector = field(default_factory=BarrierDetector)
    max_pixels: int = MAX_PIXELS
    max_bad_share: float = 1.0

    def __post_init__(self) -> None:
        self.bad: set[int] = set()  # what this process could not read

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, crop: Crop) -> Sample:
        skipped: list[str] = []
        for offset in range(len(self.photos)):
            index = (crop.photo + offset) % len(self.photos)
            try:
                pixels = self.pixels(index)
            except ImageError as error:
                skipped.append(str(error))
                self.bad.add(index)
                check_bad_share(
                    len(self.bad), len(self.photos), self.max_bad_share, first=str(error)
                )
                continue
            pair = cut(pixels.float() / 255, crop)  # (1, 4, S, S)
            return Sample(
                image=pair[0, :3],
                saliency=pair[0, 3:],
                name=self.photos[index].name,
                skipped=tuple(skipped),
            )
        raise ImageError(f"none of the {len(self.photos)} photos can be read: {skipped[0]}")

    def pixels(self, index: int) -> Tensor:
        """Decode a photo and its saliency to 8 bits: (1, 4, H, W) uint8.

        Raises:
            ImageError: if one of them cannot be read.
        """
        image = load_image(self.photos[index], max_pixels=self.max_pixels)  # (1, 3, H, W)
        if self.masks is None:
            saliency = self.detector(image)
        else:
            size = (image.shape[-2], image.shape[-1])
            saliency = load_mask(self.masks[index], size, max_pixels=self.max_pixels)
        return torch.cat([image, saliency], dim=1).mul(255).round().to(torch.uint8)

    def crops(self, *, size: int, count: int, seed: int) -> Iterator[Tensor]:
        """Yield one crop (3, size, size) of each of the first `count` photos."""
        for index in range(min(len(self), count)):
            yield self[Crop(index, mix_seed(seed, index), size)].image

    def batches(self, partition: DataPartition, *, workers: int) -> Iterator[Samples]:
        """Yield the micro-batches of a process."""
        loader = DataLoader(
            self,
            batch_sampler=CropSampler(**asdict(partition), photos=len(self)),
            collate_fn=collate,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
        )
        return (samples.resized(partition.size) for samples in loader)

    def fingerprint(self) -> Fingerprint:
        """Hash the photos' names and sizes."""
        return hash_files(self.photos)
