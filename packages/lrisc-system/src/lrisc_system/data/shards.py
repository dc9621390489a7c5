"""Photos for sets larger than a disk: tar shards in the layout of WebDataset, read in order.

A shard holds `name.jpg` and, if there are masks, `name.mask.png` beside it. Shards may be files or
URLs of any scheme that fsspec knows: https, s3, hf and more.
"""

from __future__ import annotations

import glob
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import fsspec
import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, IterableDataset

from lrisc_system.data.crops import Crop, Share, cut, mix_seed
from lrisc_system.data.images import ImageError, decode_image, to_mask
from lrisc_system.data.photos import (
    SUFFIXES,
    Fingerprint,
    Sample,
    Samples,
    collate,
    hash_names,
)
from roi_saliency import BarrierDetector, SaliencyDetector

MASK_SUFFIX = ".mask.png"


@dataclass(frozen=True)
class Member:
    """A photo in a shard, not decoded yet."""

    name: str
    photo: bytes
    mask: bytes | None


def list_shards(pattern: str) -> list[str]:
    """List the shards of a folder, a glob, or a pattern such as `https://host/{0000..0099}.tar`.

    Raises:
        ValueError: if there are none.
    """
    braces = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if braces:
        first, last = braces.groups()
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


def read_shard(url: str) -> Iterator[Member]:
    """Read the photos of a shard in order, each with its mask if there is one.

    Raises:
        ImageError: if the shard is missing, damaged, or of a scheme that lacks its package.
    """
    try:
        with fsspec.open(url, "rb") as stream, tarfile.open(fileobj=stream, mode="r|*") as shard:
            yield from _members(shard)
    except (OSError, ImportError, ValueError, tarfile.TarError, EOFError) as error:
        raise ImageError(f"{url}: cannot be read ({' '.join(str(error).split())})") from error


def _members(shard: tarfile.TarFile) -> Iterator[Member]:
    """Group the neighbours `name.jpg` and `name.mask.png` of a shard."""
    key, photo, mask = "", b"", None
    for entry in shard:
        path = PurePosixPath(entry.name)
        stream = shard.extractfile(entry)
        if stream is None or path.name.startswith("."):
            continue
        stem = path.name.split(".", 1)[0]
        if str(path.parent / stem) != key:
            if photo:
                yield Member(key, photo, mask)
            key, photo, mask = str(path.parent / stem), b"", None
        if path.name.endswith(MASK_SUFFIX):
            mask = stream.read()
        elif path.suffix.lower() in SUFFIXES:
            photo = stream.read()
    if photo:
        yield Member(key, photo, mask)


@dataclass
class ShardCrops:
    """Photos streamed from shards.

    Micro-batch `p` of every step reads its own shards, in an order drawn for each epoch, so that
    no process reads what another one uses. A resumed run passes over what was used, without
    decoding it. Within a shard the order is the shard's own.

    Args:
        shards: files or URLs.
        detector: finds the saliency of photos without a mask.
    """

    shards: list[str]
    detector: SaliencyDetector = field(default_factory=BarrierDetector)

    def crops(self, *, size: int, count: int, seed: int) -> Iterator[Tensor]:
        """Yield one crop (3, size, size) of each of the first `count` photos."""
        found = 0
        for member in (member for shard in self.shards for member in read_shard(shard)):
            if found == count:
                return
            try:
                pair = self.decode(member)
            except ImageError:  # named when training meets it
                continue
            yield cut(pair, Crop(found, mix_seed(seed, found), size))[0, :3]
            found += 1

    def batches(self, share: Share, *, workers: int) -> Iterator[Samples]:
        """Yield the micro-batches of a process; one worker at most keeps them in order."""
        if len(self.shards) < share.parts:
            raise ValueError(
                f"expected a shard for each of {share.parts} micro-batches of a step, "
                f"got {len(self.shards)} shards"
            )
        return iter(
            DataLoader(ShardReader(self, share), batch_size=None, num_workers=min(workers, 1))
        )

    def decode(self, member: Member) -> Tensor:
        """Decode a photo and its saliency: (1, 4, H, W)."""
        image = decode_image(member.photo, name=member.name)
        if member.mask is None:
            saliency = self.detector(image)
        else:
            mask = decode_image(member.mask, name=member.name + MASK_SUFFIX)
            saliency = to_mask(mask, (image.shape[-2], image.shape[-1]))
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
    share: Share

    def __iter__(self) -> Iterator[Samples]:
        share = self.share
        streams = {part: self._samples(part) for part in share.own_parts()}
        for _ in share.steps():
            for stream in streams.values():
                samples = collate([next(stream) for _ in range(share.micro_batch)])
                yield samples.resized(share.size)

    def _samples(self, part: int) -> Iterator[Sample]:
        """Yield the crops of micro-batch `part`; a broken photo is replaced by the next good one.

        The place of a photo in the stream decides its crop, broken ones counted.
        """
        skipped: list[str] = []
        waiting: list[int] = []  # places whose photo was broken
        place = self.share.first_step * self.share.micro_batch
        for member in self._members(part, skip=place):
            waiting.append(place)
            place += 1
            try:
                pair = self.source.decode(member)
            except ImageError as error:
                if str(error) in skipped:
                    raise ImageError(f"no photo of the shards can be read: {error}") from error
                skipped.append(str(error))
                continue
            for position in waiting:
                seed = mix_seed(self.share.seed, part, position)
                size = self.share.cut_size(position // self.share.micro_batch, part)
                square = cut(pair, Crop(0, seed, size))  # (1, 4, S, S)
                yield Sample(square[0, :3], square[0, 3:], member.name, tuple(skipped))
                skipped.clear()
            waiting.clear()

    def _members(self, part: int, *, skip: int) -> Iterator[Member]:
        """Yield the photos of a micro-batch's shards, epoch after epoch, but the first `skip`."""
        place, epoch = 0, 0
        while True:
            begun = place
            for shard in self._order(epoch)[part :: self.share.parts]:
                for member in read_shard(shard):
                    place += 1
                    if place > skip:
                        yield member
            if place == begun:
                raise ImageError(f"none of the {len(self.source.shards)} shards holds a photo")
            epoch += 1

    def _order(self, epoch: int) -> list[str]:
        generator = Generator().manual_seed(mix_seed(self.share.seed, epoch))
        shards = self.source.shards
        return [shards[index] for index in torch.randperm(len(shards), generator=generator)]
