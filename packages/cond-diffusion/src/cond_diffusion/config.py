"""Settings of the diffusion decoder."""

import math
from dataclasses import dataclass, field

from cond_diffusion.condition import LATENT_STRIDE
from cond_diffusion.unet import UNetConfig

MAX_SCHEDULE_STEPS = 1 << 20  # a config from a file cannot ask for a table without end


@dataclass(frozen=True)
class DiffusionConfig:
    """Settings of the diffusion decoder.

    Attributes:
        unet: sizes of the U-Net.
        steps: DDIM steps of `decode`, in [1, schedule_steps].
        schedule_steps: times T of the forward process.
        base_variance: mean squared error of the base image in [-1, 1] units, above 0.
        start_share: fraction of training samples at the start of one-step decoding, in [0, 1].
        realism: whether there is a second U-Net, for images of realism 1.
        realism_deviation: deviation of the noise that its one-step decoding starts from, at least
            0.
        min_weight, max_weight: limits of `w_t`, Eq. (10).
        tile_size, tile_overlap: in pixels, multiples of 16, `tile_overlap < tile_size`.
    """

    unet: UNetConfig = field(default_factory=UNetConfig)
    steps: int = 1
    schedule_steps: int = 8193
    base_variance: float = 0.01
    start_share: float = 0.5
    realism: bool = False
    realism_deviation: float = 0.3
    min_weight: float = 1.0
    max_weight: float = 5.0
    tile_size: int = 512
    tile_overlap: int = 64

    def __post_init__(self) -> None:
        if self.schedule_steps > MAX_SCHEDULE_STEPS:
            raise ValueError(
                f"expected at most {MAX_SCHEDULE_STEPS} schedule_steps, got {self.schedule_steps}"
            )
        if not 1 <= self.steps <= self.schedule_steps:
            raise ValueError(f"expected steps in [1, {self.schedule_steps}], got {self.steps}")
        if not self.base_variance > 0:
            raise ValueError(f"expected base_variance above 0, got {self.base_variance}")
        if not 0 <= self.start_share <= 1:
            raise ValueError(f"expected start_share in [0, 1], got {self.start_share}")
        if not 0 <= self.realism_deviation < math.inf:
            raise ValueError(
                f"expected realism_deviation of at least 0, got {self.realism_deviation}"
            )
        if not 0 <= self.min_weight <= self.max_weight:
            raise ValueError(
                f"expected 0 <= min_weight <= max_weight, got {self.min_weight}, {self.max_weight}"
            )
        if not 0 <= self.tile_overlap < self.tile_size:
            raise ValueError(
                "expected 0 <= tile_overlap < tile_size, "
                f"got {self.tile_overlap} and {self.tile_size}"
            )
        if self.tile_size % LATENT_STRIDE or self.tile_overlap % LATENT_STRIDE:
            raise ValueError(
                f"expected tile_size and tile_overlap to be multiples of {LATENT_STRIDE}, "
                f"got {self.tile_size} and {self.tile_overlap}"
            )
