"""Photos in tar shards in the layout of WebDataset, read in order, for sets larger than a disk.

A shard holds `name.jpg` and, if there are masks, `name.mask.png` next to it; see `shard_files`. A
shard that cannot be read is passed over and counted, as a photo is. Shards may be files or
URLs of any scheme that fsspec knows: https, s3, hf and more.
"""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, IterableDataset

from lrisc_system.data.crops import Crop, DataPartition, cut, mix_seed
from lrisc_system.data.images import ImageError, decode_image, decode_mask
from lrisc_system.data.photos import (
    Fingerprint,
    Sample,
    Samples,
    collate,
    hash_names,
)
from lrisc_system.data.shard_files import MASK_SUFFIX, ShardPhoto, read_shard
from lrisc_system.limits import MAX_PIXELS, check_bad_share
from roi_saliency import BarrierDetector, SaliencyDetector

MAX_SHARDS = 1_000_000
LEAST_SEEN = 100  # photos, before a share of them is judged


def list_shards(pattern: str) -> list[str]:
    """List the shards of a folder, a glob, or a pattern such as `https://host/{0000..0099}.tar`.

    Raises:
        ValueError: if there are none.
    """
    braces = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if braces:
        first, last = braces.groups()
        if int(last) - int(first) >= MAX_SHARDS:
            raise ValueError(f"expected at most {MAX_SHARDS} shards, got {pattern}")
        shards = [
            pattern[: braces.start()] + f"{number:0{len(first)}d}" + pattern[braces.end() :]
            for number in range(int(first), int(last) + 1)
        ]
    elif "://" in pattern:
        shards = [pattern]
    else:
        folder = Path(pattern)
        shards = sorted(glob.glob(str(folder / "*.tar") if folder.is_dir() else pattern))
    if not shards:
        raise ValueError(f"expected tar shards in {pattern}, got none")
    return shards


@dataclass
class ShardCrops:
    """Photos streamed from shards.

    Micro-batch `p` of every step reads shards of its own, in an order drawn for each epoch, so no
    two processes read the same shard. A resumed run skips the photos already used without decoding
    them. Photos of one shard keep their order.

    Args:
        shards: files or URLs.
        detector: finds the saliency of photos without a mask.
        max_pixels: largest image to decode.
        max_bad_share: largest fraction of the photos that may be unreadable; a shard that cannot
            be read counts as one photo.
    """

    shards: list[str]
    detector: SaliencyDetector = field(default_factory=BarrierDetector)
    max_pixels: int = MAX_PIXELS
    max_bad_share: float = 1.0

    def crops(self, *, size: int, count: int, seed: int) -> Iterator[Tensor]:
        """Yield one crop (3, size, size) of each of the first `count` photos.

        Raises:
            ImageError: if none can be read.
        """
        found, last = 0, "they hold none"
        for photo in itertools.chain.from_iterable(map(self.read, self.shards)):
            if found == count:
                return
            try:
                pair = self.decode(photo)
            except ImageError as error:  # counted when training reads it
                last = str(error)
                continue
            yield cut(pair, Crop(found, mix_seed(seed, found), size))[0, :3]
            found += 1
        if not found:
            raise ImageError(f"no photo of {len(self.shards)} shards can be read: {last}")

    def batches(self, partition: DataPartition, *, workers: int) -> Iterator[Samples]:
        """Yield the micro-batches of a process; at most one worker, which keeps their order."""
        if len(self.shards) < partition.parts:
            raise ValueError(
                f"expected a shard for each of {partition.parts} micro-batches of a step, "
                f"got {len(self.shards)} shards"
            )
        return iter(
            DataLoader(ShardReader(self, partition), batch_size=None, num_workers=min(workers, 1))
        )

    def read(self, shard: str) -> Iterator[ShardPhoto]:
        """Read the photos of a shard; where it ends in an error, that is the last of them."""
        try:
            yield from read_shard(shard)
        except ImageError as error:
            yield ShardPhoto(shard, b"", None, str(error))

    def decode(self, photo: ShardPhoto) -> Tensor:
        """Decode a photo and its saliency: (1, 4, H, W).

        Raises:
            ImageError: if one of them cannot be read.
        """
        if photo.error is not None:
            raise ImageError(photo.error)
        image = decode_image(photo.image, name=photo.name, max_pixels=self.max_pixels)
        if photo.mask is None:
            saliency = self.detector(image)
        else:
            saliency = decode_mask(
                photo.mask,
                (image.shape[-2], image.shape[-1]),
                name=photo.name + MASK_SUFFIX,
                max_pixels=self.max_pixels,
            )
        return torch.cat([image, saliency], dim=1)

    def fingerprint(self) -> Fingerprint:
        """Hash the shards' names and, of local files, sizes."""
        return hash_names(
            (PurePosixPath(shard).name, Path(shard).stat().st_size if Path(shard).exists() else -1)
            for shard in self.shards
        )


@dataclass
class ShardReader(IterableDataset[Samples]):
    """The micro-batches of one process, decoded."""

    source: ShardCrops
    partition: DataPartition

    def __post_init__(self) -> None:
        self.seen, self.bad = 0, 0  # photos of this process, each as often as it came

    def __iter__(self) -> Iterator[Samples]:
        partition = self.partition
        streams = {part: self._samples(part) for part in partition.own_parts()}
        for _ in partition.steps():
            for stream in streams.values():
                samples = collate([next(stream) for _ in range(partition.micro_batch)])
                yield samples.resized(partition.size)

    def _samples(self, part: int) -> Iterator[Sample]:
        """Yield the crops of micro-batch `part`; the next good photo replaces a broken one.

        The index of a photo in the stream, broken ones counted, is part of its crop's seed.
        """
        skipped: list[str] = []
        waiting: list[int] = []  # indices of broken photos
        index = self.partition.first_step * self.partition.micro_batch
        for photo in self._photos(part, skip=index):
            waiting.append(index)
            index += 1
            self.seen += 1
            try:
                pair = self.source.decode(photo)
            except ImageError as error:
                self.bad += 1
                check_bad_share(
                    self.bad,
                    max(self.seen, LEAST_SEEN),
                    self.source.max_bad_share,
                    first=str(error),
                )
                if str(error) in skipped:
                    raise ImageError(f"no photo of the shards can be read: {error}") from error
                skipped.append(str(error))
                continue
            for replaced in waiting:
                seed = mix_seed(self.partition.seed, part, replaced)
                size = self.partition.cut_size(replaced // self.partition.micro_batch, part)
                square = cut(pair, Crop(0, seed, size))  # (1, 4, S, S)
                yield Sample(square[0, :3], square[0, 3:], photo.name, tuple(skipped))
                skipped.clear()
            waiting.clear()

    def _photos(self, part: int, *, skip: int) -> Iterator[ShardPhoto]:
        """Yield the photos of a micro-batch's shards, epoch after epoch, after the first `skip`."""
        index, epoch = 0, 0
        while True:
            first = index
            for shard in self._order(epoch)[part :: self.partition.parts]:
                for photo in self.source.read(shard):
                    index += 1
                    if index > skip:
                        yield photo
            if index == first:
                raise ImageError(f"none of the {len(self.source.shards)} shards holds a photo")
            epoch += 1

    def _order(self, epoch: int) -> list[str]:
        generator = Generator().manual_seed(mix_seed(self.partition.seed, epoch))
        shards = self.source.shards
        return [shards[index] for index in torch.randperm(len(shards), generator=generator)]
