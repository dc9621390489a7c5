"""Image symbols for radios that send a finite constellation only."""

import math

import torch
from torch import Tensor

from lrisc_system.radio.qam import Constellation

SIZES = (16, 64, 256)
# Unit-power Gaussian symbols lie closest to a constellation wider than unit power: the step of the
# uniform quantiser with least mean square error, in standard deviations. Source: Max 1960.
_MAX_STEP = {4: 0.9957, 8: 0.5860, 16: 0.3352}


def project_to_constellation(symbols: Tensor, *, size: int) -> Tensor:
    """Move every symbol to the nearest point of a square constellation.

    Args:
        symbols: of unit mean power, any shape, complex.
        size: points, 16, 64 or 256.

    Returns:
        As many symbols, of which no more than `size` differ. Their mean power is that of the
        symbols less the error, as that of a quantiser with least mean square error.
    """
    if size not in SIZES:
        raise ValueError(f"expected a constellation of 16, 64 or 256 points, got {size}")
    levels = math.isqrt(size)
    grid = Constellation(f"{size}-QAM", bits_per_axis=levels.bit_length() - 1, axes=2).amplitudes()
    grid = grid.sort().values
    step = _MAX_STEP[levels] / math.sqrt(2)  # of one axis, which has half of the power
    scale = step / float(grid[1] - grid[0])
    axes = torch.view_as_real(symbols) / scale
    index = ((axes - grid[0]) / (grid[1] - grid[0])).round().clamp(0, levels - 1).long()
    return torch.view_as_complex((grid.to(axes)[index] * scale).contiguous())
