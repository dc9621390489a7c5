"""Photos for training: random crops that depend on a seed alone, and their saliency maps."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader, Dataset

from lrisc_system.data.crops import Crop, CropSampler, DataPartition, cut, mix_seed
from lrisc_system.data.images import ImageError, load_image, load_mask
from roi_saliency import BarrierDetector, SaliencyDetector

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
VALIDATION_SHARE = 40  # one photo in forty


def list_images(folder: Path) -> list[Path]:
    """List the images in a folder and its subfolders, sorted.

    Raises:
        ValueError: if the folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise ValueError(f"expected a folder of images, got {folder}")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"expected images ({', '.join(sorted(SUFFIXES))}) in {folder}, got none")
    return paths


def split_validation(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Split photos into training and validation by a hash of their names, the same every time."""

    def held_out(path: Path) -> bool:
        return zlib.crc32(path.stem.encode()) % VALIDATION_SHARE == 0

    return [p for p in paths if not held_out(p)], [p for p in paths if held_out(p)]


def find_masks(paths: list[Path], folder: Path) -> list[Path]:
    """Find the saliency map `stem.png` of every photo.

    Raises:
        ValueError: naming the first photo without a mask.
    """
    masks = [folder / f"{path.stem}.png" for path in paths]
    for path, mask in zip(paths, masks, strict=True):
        if not mask.is_file():
            raise ValueError(f"expected a mask for every photo, got none for {path}: {mask}")
    return masks


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
    return Fingerprint(len(lines), hashlib.sha256("".join(lines).encode()).hexdigest())


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
    """

    photos: list[Path]
    masks: list[Path] | None = None
    detector: SaliencyDetector = field(default_factory=BarrierDetector)

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
        image = load_image(self.photos[index])  # (1, 3, H, W)
        if self.masks is None:
            saliency = self.detector(image)
        else:
            saliency = load_mask(self.masks[index], (image.shape[-2], image.shape[-1]))
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
        return hash_names((path.name, path.stat().st_size) for path in self.photos)
