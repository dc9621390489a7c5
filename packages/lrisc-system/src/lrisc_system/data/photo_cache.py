"""Decoded photos in memory or on the GPU, so that every photo is decoded once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import psutil
import torch
from torch import Tensor

from lrisc_system.data.crops import Crop, CropSampler, DataPartition, cut
from lrisc_system.data.images import ImageError, read_size
from lrisc_system.data.photos import Fingerprint, PhotoCrops, Samples
from lrisc_system.limits import check_bad_share

CHANNELS = 4  # red, green, blue, saliency
CACHE_MEMORY = 1 / 4  # largest fraction of the free memory that a cache takes


class CachedPhotos:
    """A source of crops that keeps every photo as 8-bit pixels in one flat array.

    Its crops equal those of `PhotoCrops` bit for bit.

    Args:
        photos: photos to decode, by one thread for each processor.
        device: device that keeps the pixels and cuts the crops.

    Raises:
        ImageError: if none of the photos can be read.
        ValueError: if too many of them cannot be read.
    """

    def __init__(self, photos: PhotoCrops, *, device: torch.device) -> None:
        self.photos, self.device = photos, device
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            decoded = list(pool.map(self._decode, range(len(photos))))
        self.errors = {i: found for i, found in enumerate(decoded) if isinstance(found, str)}
        kept = [found for found in decoded if isinstance(found, Tensor)]
        if not kept:
            raise ImageError(f"none of the {len(photos)} photos can be read: {self.errors[0]}")
        if self.errors:
            first = next(iter(self.errors.values()))
            check_bad_share(len(self.errors), len(photos), photos.max_bad_share, first=first)
        self.sizes = [(0, 0) if isinstance(d, str) else (d.shape[0], d.shape[1]) for d in decoded]
        areas = torch.tensor([height * width for height, width in self.sizes])
        self.first = (areas.cumsum(0) - areas).tolist()  # of each photo's pixels
        self.pixels = torch.cat([found.flatten(0, 1) for found in kept]).to(device)  # (n, 4)

    def crops(self, *, size: int, count: int, seed: int) -> Iterator[Tensor]:
        """Yield one crop (3, size, size) of each of the first `count` photos, on the CPU."""
        return self.photos.crops(size=size, count=count, seed=seed)

    def batches(self, partition: DataPartition, *, workers: int) -> Iterator[Samples]:
        """Yield the micro-batches of a process, on the cache's device; `workers` is ignored."""
        sampler = CropSampler(**asdict(partition), photos=len(self.photos))
        batches = (self.cut(crops).resized(partition.size) for crops in sampler)
        if self.device.type == "cpu" and torch.cuda.is_available():
            return _one_ahead(samples.pin_memory() for samples in batches)
        return batches

    def fingerprint(self) -> Fingerprint:
        """Hash the photos' names and sizes."""
        return self.photos.fingerprint()

    def cut(self, crops: list[Crop]) -> Samples:
        """Cut a micro-batch of crops of one size."""
        skipped = [list(self._skipped(crop.photo)) for crop in crops]
        indices = [
            (crop.photo + len(errors)) % len(self.photos)
            for crop, errors in zip(crops, skipped, strict=True)
        ]
        pairs = list(zip(indices, crops, strict=True))
        if all(min(self.sizes[index]) >= crop.size for index, crop in pairs):
            squares = self._gather(pairs)
        else:
            squares = torch.cat([cut(self._photo(index), crop) for index, crop in pairs])
        return Samples(
            image=squares[:, :3],
            saliency=squares[:, 3:],
            names=tuple(self.photos.photos[index].name for index in indices),
            skipped=tuple(line for errors in skipped for line in errors),
        )

    def _gather(self, pairs: list[tuple[int, Crop]]) -> Tensor:
        """Gather crops that lie inside their photos at once: (B, 4, S, S) in [0, 1]."""
        corners, strides, directions = [], [], []
        for index, crop in pairs:
            height, width = self.sizes[index]
            top, left, mirrored = crop.corner(height, width)
            right = left + crop.size - 1
            corners.append(self.first[index] + top * width + (right if mirrored else left))
            strides.append(width)
            directions.append(-1 if mirrored else 1)
        numbers = torch.tensor([corners, strides, directions])
        if self.device.type == "cuda":
            numbers = numbers.pin_memory()
        corner, stride, direction = numbers.to(self.device, non_blocking=True)[:, :, None, None]
        side = torch.arange(pairs[0][1].size, device=self.device)
        indices = corner + stride * side[:, None] + direction * side  # (B, S, S)
        return self.pixels[indices].permute(0, 3, 1, 2).float() / 255

    def _photo(self, index: int) -> Tensor:
        """Return one photo, (1, 4, H, W) in [0, 1]."""
        height, width = self.sizes[index]
        first = self.first[index]
        flat = self.pixels[first : first + height * width].float() / 255
        return flat.view(1, height, width, CHANNELS).permute(0, 3, 1, 2)

    def _decode(self, index: int) -> Tensor | str:
        """Decode a photo to (H, W, 4), or return the error message."""
        try:
            return self.photos.pixels(index)[0].permute(1, 2, 0).contiguous()
        except ImageError as error:
            return str(error)

    def _skipped(self, index: int) -> Iterator[str]:
        """Yield the errors of consecutive unreadable photos, from `index` on."""
        while index in self.errors:
            yield self.errors[index]
            index = (index + 1) % len(self.photos)


def _one_ahead(batches: Iterator[Samples]) -> Iterator[Samples]:
    """Make the next batch in another thread while the current one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (samples := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield samples


def decoded_bytes(photos: PhotoCrops) -> int:
    """Compute from their headers how many bytes the decoded photos take."""
    total = 0
    for path in photos.photos:
        try:
            width, height = read_size(path, max_pixels=photos.max_pixels)
            total += width * height * CHANNELS
        except ImageError:  # reported when it is decoded
            continue
    return total


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a GPU in bytes, or that of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def fits(size: int, device: torch.device) -> bool:
    """Say whether a cache of `size` bytes takes at most a quarter of a device's free memory."""
    return size <= CACHE_MEMORY * free_bytes(device)
