"""Random crops that depend on a seed alone: the photo, the position of the crop, the mirroring."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Sampler


@dataclass(frozen=True)
class DataPartition:
    """The part of a stage's data that one process reads. It depends on the seed alone.

    The global batch of a step is split into `parts` micro-batches (processes times accumulation).
    This process takes the micro-batches `rank`, `rank + world`, ... of each step. So a run can be
    resumed at any step, and it sees the same global batches on any number of processes.

    Args:
        size: side of the crops in pixels.
        micro_batch: number of crops in a micro-batch.
        parts: number of micro-batches in a step.
        rank: number of this process, from 0.
        world: number of processes.
        seed: seed of the stage.
        first_step: first step to read.
        last_step: step to stop before; with None, the steps never end.
        scale: range of the factor by which photos are enlarged before they are cropped. The factor
            is drawn for each micro-batch, log-uniformly.
    """

    size: int
    micro_batch: int
    parts: int
    rank: int
    world: int
    seed: int
    first_step: int
    last_step: int | None
    scale: tuple[float, float] = (1.0, 1.0)

    def own_parts(self) -> range:
        """List the micro-batches of a step that this process takes."""
        return range(self.rank, self.parts, self.world)

    def steps(self) -> Iterator[int]:
        """Count the steps from the first one."""
        step = self.first_step
        while self.last_step is None or step < self.last_step:
            yield step
            step += 1

    def cut_size(self, step: int, part: int) -> int:
        """Return the side, in pixels of the photo, of the crops of a micro-batch."""
        low, high = self.scale
        if low == high:
            return max(1, round(self.size / low))
        generator = Generator().manual_seed(mix_seed(self.seed, step, part))
        drawn = float(torch.rand((), generator=generator))
        return max(1, round(self.size / (low * (high / low) ** drawn)))


@dataclass(frozen=True)
class Crop:
    """The photo of a crop, its side, and the seed of its position and its mirroring."""

    photo: int
    seed: int
    size: int

    def corner(self, height: int, width: int) -> tuple[int, int, bool]:
        """Draw the top row and the left column of the crop, and whether it is mirrored."""
        generator = Generator().manual_seed(self.seed)
        top, left = (
            int(torch.randint(side - self.size + 1, (), generator=generator))
            for side in (height, width)
        )
        return top, left, bool(torch.rand((), generator=generator) < 0.5)


def cut(image: Tensor, crop: Crop) -> Tensor:
    """Crop an image to a square, mirrored half of the time: (1, C, H, W) -> (1, C, S, S).

    An image smaller than the square is enlarged first.
    """
    shortest = min(image.shape[-2:])
    if shortest < crop.size:
        image = interpolate(
            image,
            size=[max(crop.size, side * crop.size // shortest) for side in image.shape[-2:]],
            mode="bilinear",
            antialias=True,
        )
    top, left, mirrored = crop.corner(image.shape[-2], image.shape[-1])
    square = image[..., top : top + crop.size, left : left + crop.size]
    return square.flip(-1) if mirrored else square


@dataclass(frozen=True)
class CropSampler(DataPartition, Sampler[list[Crop]]):
    """Yields the micro-batches of one process. Each epoch shows every photo once, in a new order.

    Args:
        photos: number of photos, at least 1.
    """

    photos: int = 1

    def __iter__(self) -> Iterator[list[Crop]]:
        batch = self.micro_batch * self.parts
        epoch, order = -1, torch.empty(0)
        for step in self.steps():
            for part in self.own_parts():
                size = self.cut_size(step, part)
                crops = []
                for position in range(self.micro_batch):
                    drawn = step * batch + part * self.micro_batch + position
                    if drawn // self.photos != epoch:
                        epoch = drawn // self.photos
                        generator = Generator().manual_seed(mix_seed(self.seed, epoch))
                        order = torch.randperm(self.photos, generator=generator)
                    photo = int(order[drawn % self.photos])
                    crops.append(Crop(photo, mix_seed(self.seed, epoch, photo), size))
                yield crops

    def __len__(self) -> int:
        if self.last_step is None:
            raise TypeError("expected a last step for the length of the sampler, got None")
        return (self.last_step - self.first_step) * len(self.own_parts())


def mix_seed(*numbers: int) -> int:
    """Mix whole numbers into one 32-bit seed."""
    return zlib.crc32(",".join(map(str, numbers)).encode())
