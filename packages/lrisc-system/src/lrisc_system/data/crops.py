"""Crops that depend on a seed alone: which photo, where it is cut, whether it is mirrored."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Sampler


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
        last_step: step to stop before; none goes on for ever.
        scale: range of the factor by which photos are enlarged before they are cut, drawn for each
            micro-batch, every ratio as likely as its inverse.
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
        """Tell the side in pixels that a micro-batch's crops have in the photos."""
        low, high = self.scale
        if low == high:
            return max(1, round(self.size / low))
        generator = Generator().manual_seed(mix_seed(self.seed, step, part))
        drawn = float(torch.rand((), generator=generator))
        return max(1, round(self.size / (low * (high / low) ** drawn)))


@dataclass(frozen=True)
class Crop:
    """Which photo, and the seed that decides where it is cut and whether it is mirrored."""

    photo: int
    seed: int
    size: int

    def place(self, height: int, width: int) -> tuple[int, int, bool]:
        """Draw where the square lies in a photo: its top, its left, and whether it is mirrored."""
        generator = Generator().manual_seed(self.seed)
        top, left = (
            int(torch.randint(side - self.size + 1, (), generator=generator))
            for side in (height, width)
        )
        return top, left, bool(torch.rand((), generator=generator) < 0.5)


def cut(image: Tensor, crop: Crop) -> Tensor:
    """Cut a square out of an image, mirrored half of the time: (1, C, H, W) -> (1, C, S, S).

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
    top, left, mirrored = crop.place(image.shape[-2], image.shape[-1])
    square = image[..., top : top + crop.size, left : left + crop.size]
    return square.flip(-1) if mirrored else square


@dataclass(frozen=True)
class CropPlan(Share, Sampler[list[Crop]]):
    """The batches of one process: in each epoch every photo once, in an order of its own.

    Args:
        photos: how many there are, at least 1.
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
            raise TypeError("expected a last step: a plan without one has no length")
        return (self.last_step - self.first_step) * len(self.own_parts())


def mix_seed(*numbers: int) -> int:
    """Mix whole numbers into one 32-bit seed."""
    return zlib.crc32(",".join(map(str, numbers)).encode())
