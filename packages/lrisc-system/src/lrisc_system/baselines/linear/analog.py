"""What analogue links of fixed bandwidth have in common: what they send, and what it costs."""

import math
from dataclasses import dataclass

from torch import Tensor

from lrisc_system.capacity import uses_at_capacity
from lrisc_system.config import STRIDE

PATCH = STRIDE  # pixels a side of what one token stands for


@dataclass(frozen=True)
class AnalogSignal:
    """What crosses the channel: symbols `(B, K)` complex, and one byte of gain an image, `(B,)`."""

    symbols: Tensor
    gain_code: Tensor


def analog_cbr(image_size: tuple[int, int], *, reals_per_token: int, snr_db: float) -> float:
    """Count channel uses over 3 H W: two reals to a symbol, and the gain's byte at capacity.

    Args:
        image_size: (H, W).
        reals_per_token: real numbers sent for every 16 x 16 pixels.
        snr_db: of the channel.
    """
    height, width = image_size
    tokens = math.ceil(height / PATCH) * math.ceil(width / PATCH)
    uses = tokens * reals_per_token // 2 + uses_at_capacity(8, snr_db=snr_db)
    return uses / (3 * height * width)
