"""Photos for training: random crops that depend on a seed alone, and their saliency."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from lrisc_system.data.images import ImageError, load_image, load_mask
from roi_saliency import BarrierDetector, SaliencyDetector

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
VALIDATION_SHARE = 40  # one photo in forty


def list_images(folder: Path) -> list[Path]:
    """List the images below a folder, sorted; COCO's layout works as it is.

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
    """Split photos into training and validation by a hash of their names, for good."""

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


@dataclass(frozen=True)
class Share:
    """The part of a stage's data that one process takes: a function of the seed alone.

    The global batch of a step is cut into `parts` micro-batches (processes times accumulation),
    and this process takes the micro-batches `rank`, `rank + world`, ... of each step, so that a
    run may be resumed at any step and gives the same global batches on any number of processes.

    Args:
        size: side of the crops.
        micro_batch: crops in a micro-batch.
        parts: micro-batches in a step.
        rank: of this process.
        world: number of processes.
        seed: of the stage.
        first_step: step to begin with.
        last_step: step to stop before.
    """

    size: int
    micro_batch: int
    parts: int
    rank: int
    world: int
    seed: int
    first_step: int
    last_step: int

    def own_parts(self) -> range:
        """List the micro-batches of a step that this process takes."""
        return range(self.rank, self.parts, self.world)


class Source(Protocol):
    """Where training crops come from: a folder of photos, or shards that are streamed."""

    def crops(self, *, size: int, count: int, seed: int) -> Iterator[Tensor]:
        """Yield up to `count` crops (3, size, size) of as many photos, for the start."""
        ...

    def batches(self, share: Share, *, workers: int) -> Iterator[Samples]:
        """Yield the micro-batches of a process, loaded by `workers` other processes."""
        ...

    def fingerprint(self) -> Fingerprint:
        """Identify the data by names and sizes."""
        ...


@dataclass(frozen=True)
class Fingerprint:
    """What a run was trained on: how many files, and a hash of their names and sizes."""

    files: int
    sha256: str


def hash_names(sizes: Iterable[tuple[str, int]]) -> Fingerprint:
    """Hash names and sizes in bytes, whatever folder they are in."""
    lines = sorted(f"{name}\0{size}\n" for name, size in sizes)
    return Fingerprint(len(lines), hashlib.sha256("".join(lines).encode()).hexdigest())


@dataclass(frozen=True)
class Crop:
    """Which photo, and the seed that decides where it is cut and whether it is mirrored."""

    photo: int
    seed: int
    size: int


@dataclass(frozen=True)
class Sample:
    """One training crop."""

    image: Tensor  # (3, S, S) in [0, 1]
    saliency: Tensor  # (1, S, S) in [0, 1]
    name: str  # of the photo
    skipped: tuple[str, ...] = ()  # photos that could not be read, passed over for the next


@dataclass(frozen=True)
class Samples:
    """A batch of training crops."""

    image: Tensor  # (B, 3, S, S) in [0, 1]
    saliency: Tensor  # (B, 1, S, S) in [0, 1]
    names: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def to(self, device: torch.device) -> Samples:
        """Move the batch to a device."""
        return replace(self, image=self.image.to(device), saliency=self.saliency.to(device))


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

    A photo that cannot be read is passed over for the next one in the list and named in
    `Sample.skipped`.

    Args:
        photos: image files.
        masks: their saliency maps; detected on the fly when absent.
        detector: finds the saliency when there are no masks.
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
                image, saliency = self._load(index)
            except ImageError as error:
                skipped.append(str(error))
                continue
            pair = cut(torch.cat([image, saliency], dim=1), crop)  # (1, 4, S, S)
            return Sample(
                image=pair[0, :3],
                saliency=pair[0, 3:],
                name=self.photos[index].name,
                skipped=tuple(skipped),
            )
        raise ImageError(f"none of the {len(self.photos)} photos can be read: {skipped[0]}")

    def crops(self, *, size: int, count: int, seed: int) -> Iterator[Tensor]:
        """Yield one crop (3, size, size) of each of the first `count` photos."""
        for index in range(min(len(self), count)):
            yield self[Crop(index, mix_seed(seed, index), size)].image

    def batches(self, share: Share, *, workers: int) -> Iterator[Samples]:
        """Yield the micro-batches of a process."""
        plan = CropPlan(**asdict(share), photos=len(self))
        return iter(DataLoader(self, batch_sampler=plan, collate_fn=collate, num_workers=workers))

    def fingerprint(self) -> Fingerprint:
        """Hash the photos' names and sizes."""
        return hash_names((path.name, path.stat().st_size) for path in self.photos)

    def _load(self, index: int) -> tuple[Tensor, Tensor]:
        image = load_image(self.photos[index])  # (1, 3, H, W)
        if self.masks is None:
            return image, self.detector(image)
        return image, load_mask(self.masks[index], (image.shape[-2], image.shape[-1]))


def cut(image: Tensor, crop: Crop) -> Tensor:
    """Cut a square out of an image, mirrored half of the time: (1, C, H, W) -> (1, C, S, S).

    An image smaller than the square is enlarged first.
    """
    shortest = min(image.shape[-2:])
    if shortest < crop.size:
        image = torch.nn.functional.interpolate(
            image,
            size=[max(crop.size, side * crop.size // shortest) for side in image.shape[-2:]],
            mode="bilinear",
            antialias=True,
        )
    generator = Generator().manual_seed(crop.seed)
    top, left = (
        int(torch.randint(side - crop.size + 1, (), generator=generator))
        for side in image.shape[-2:]
    )
    square = image[..., top : top + crop.size, left : left + crop.size]
    return square.flip(-1) if torch.rand((), generator=generator) < 0.5 else square


@dataclass(frozen=True)
class CropPlan(Share, Sampler[list[Crop]]):
    """The batches of one process: in each epoch every photo once, in an order of its own.

    Args:
        photos: how many there are.
    """

    photos: int

    def __iter__(self) -> Iterator[list[Crop]]:
        batch = self.micro_batch * self.parts
        epoch, order = -1, torch.empty(0)
        for step in range(self.first_step, self.last_step):
            for part in self.own_parts():
                crops = []
                for position in range(self.micro_batch):
                    drawn = step * batch + part * self.micro_batch + position
                    if drawn // self.photos != epoch:
                        epoch = drawn // self.photos
                        generator = Generator().manual_seed(mix_seed(self.seed, epoch))
                        order = torch.randperm(self.photos, generator=generator)
                    photo = int(order[drawn % self.photos])
                    crops.append(Crop(photo, mix_seed(self.seed, epoch, photo), self.size))
                yield crops

    def __len__(self) -> int:
        return (self.last_step - self.first_step) * len(self.own_parts())


def mix_seed(*numbers: int) -> int:
    """Mix whole numbers into one 32-bit seed."""
    return zlib.crc32(",".join(map(str, numbers)).encode())
