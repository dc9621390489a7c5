"""Overlapping tiles along one side of an image, blended linearly."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Span:
    """One tile along one side: positions `[start, stop)` and their blending weights."""

    start: int
    stop: int
    weight: Tensor


def tile_starts(length: int, *, size: int, overlap: int) -> list[int]:
    """List the first positions of the fewest evenly spaced tiles that cover `[0, length)`.

    Neighbours overlap by at least `overlap`; a side no longer than `size` is one tile.
    """
    if length <= size:
        return [0]
    intervals = -(-(length - size) // (size - overlap))  # rounded up
    return [index * (length - size) // intervals for index in range(intervals + 1)]


def tile_spans(length: int, *, size: int, overlap: int, unit: int = 1) -> list[Span]:
    """List tiles that cover `[0, length)`, with weights that sum to 1 at every position.

    The weight of a tile rises linearly from its edges over `overlap` and is divided by the sum over
    the tiles. If all tiles have the same values, blending does not change them.

    Args:
        length, size, overlap: multiples of `unit`, `overlap < size`.
        unit: tiles start at multiples of it.
    """
    size = min(length, size)
    starts = tile_starts(length // unit, size=size // unit, overlap=overlap // unit)
    first = unit * torch.tensor(starts)[:, None]
    position = torch.arange(length)
    from_edge = torch.minimum(position - first + 1, first + size - position)  # (tiles, length)
    weights = from_edge.clamp(0, max(overlap, 1)).float()
    weights = weights / weights.sum(0)
    return [
        Span(unit * start, unit * start + size, weight[unit * start : unit * start + size])
        for start, weight in zip(starts, weights, strict=True)
    ]


def blend_tiles(
    make_tile: Callable[[slice, slice], Tensor],
    shape: tuple[int, ...],
    *,
    size: int,
    overlap: int,
    unit: int,
    device: torch.device,
) -> Tensor:
    """Blend overlapping tiles to an image.

    Args:
        make_tile: `(rows, columns) -> tile` of the image, (B, C, len(rows), len(columns)).
        shape: (B, C, H, W) of the image.
        size, overlap, unit: as in `tile_spans`.
        device: of the image.
    """
    image = torch.zeros(shape, device=device)
    spans = [tile_spans(side, size=size, overlap=overlap, unit=unit) for side in shape[2:]]
    for row, column in itertools.product(*spans):
        rows, columns = slice(row.start, row.stop), slice(column.start, column.stop)
        weight = (row.weight[:, None] * column.weight).to(device)
        image[:, :, rows, columns] += weight * make_tile(rows, columns)
    return image
