"""What the decoder shows a training loss."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """A training-time estimate of the image.

    Attributes:
        image: `X_theta` (B, 3, H, W) on the scale of [0, 1], not clipped.
        weight: `w_t` (B,) of Eq. (10) at the drawn times.
    """

    image: Tensor
    weight: Tensor
