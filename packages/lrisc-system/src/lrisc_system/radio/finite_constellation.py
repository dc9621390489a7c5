"""Cells for radios that send a finite constellation only."""

import math

import torch
from torch import Tensor

from lrisc_system.radio.qam import Constellation
from lrisc_system.radio.soft_channel import Observation

# By the number of points, for each axis of a unit Gaussian: the step of the uniform quantiser with
# least mean square error, in standard deviations, and that error. Source: Max 1960, table 2.
_QUANTIZERS = {16: (0.9957, 0.1188), 64: (0.5860, 0.03744), 256: (0.3352, 0.01154)}
SIZES = tuple(_QUANTIZERS)


def project_to_constellation(cells: Tensor, *, size: int) -> Tensor:
    """Move every cell to the nearest point of a square constellation.

    Gaussian cells lie closest to a constellation wider than unit power. The points are scaled
    afterwards, so that Gaussian cells keep unit mean power.

    Args:
        cells: Gaussian, of unit mean power, any shape, complex.
        size: points, 16, 64 or 256.

    Returns:
        As many cells, of which no more than `size` differ.
    """
    step, error = _quantizer(size)
    levels = math.isqrt(size)
    grid = Constellation(f"{size}-QAM", bits_per_axis=levels.bit_length() - 1, axes=2).amplitudes()
    grid = grid.sort().values
    spacing = grid[1] - grid[0]
    width = step / math.sqrt(2) / float(spacing)  # of one axis, which has half of the power
    axes = torch.view_as_real(cells) / width
    index = ((axes - grid[0]) / spacing).round().clamp(0, levels - 1).long()
    points = grid.to(axes)[index] * (width / math.sqrt(1 - error))
    return torch.view_as_complex(points.contiguous())


def undo_projection(seen: Observation, *, size: int) -> Observation:
    """Observe Gaussian cells of unit power, of which the points were sent.

    The projection's error D counts as noise: a cell x is sent as `y = Q(x) / (1 - D)^(1/2)` with
    `E[x* y] = (1 - D)^(1/2)`, so `y / (1 - D)^(1/2)` is x without bias, of noise power
    `(noise + D) / (1 - D)`.
    """
    _, error = _quantizer(size)
    return Observation(
        symbols=seen.symbols / math.sqrt(1 - error),
        noise_power=(seen.noise_power + error) / (1 - error),
    )


def _quantizer(size: int) -> tuple[float, float]:
    if size not in SIZES:
        raise ValueError(f"expected a constellation of 16, 64 or 256 points, got {size}")
    return _QUANTIZERS[size]
