"""What the decoder shows a training loss."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from cond_diffusion.schedule import CosineSchedule


@dataclass(frozen=True)
class Estimate:
    """A training-time estimate of the image.

    Attributes:
        image: `X_theta` (B, 3, H, W) on the scale of [0, 1], not clipped.
        weight: `w_t` (B,) of Eq. (10) at the drawn times.
    """

    image: Tensor
    weight: Tensor


@dataclass(frozen=True)
class NoisySample:
    """Noisy images at random times.

    Attributes:
        x_t: (B, 3, H, W).
        t: times (B,).
        at_start: which are at the start of one-step decoding, (B,) bool.
    """

    x_t: Tensor
    t: Tensor
    at_start: Tensor


def draw_sample(
    x_0: Tensor,
    schedule: CosineSchedule,
    *,
    start_share: float,
    start_deviation: float | Tensor = 0.0,
    generator: Generator | None = None,
) -> NoisySample:
    """Draw one time for each image, and the image at that time, Eq. (8).

    Args:
        x_0: images (B, 3, H, W) in [-1, 1].
        schedule: of the noise.
        start_share: fraction at the start of one-step decoding, `t = T - 1`, where `x_T` is noise
            without the image. The time of the others is uniform.
        start_deviation: of that noise, one or (B,).
        generator: on `x_0`'s device.
    """
    batch, last, device = len(x_0), schedule.steps - 1, x_0.device
    at_start = torch.rand(batch, generator=generator, device=device) < start_share
    t = torch.randint(last + 1, (batch,), generator=generator, device=device)
    noise = torch.randn(x_0.shape, generator=generator, device=device)
    t = t.where(~at_start, last)
    start = torch.as_tensor(start_deviation, device=device).view(-1, 1, 1, 1) * noise
    x_t = torch.where(at_start.view(-1, 1, 1, 1), start, schedule.q_sample(x_0, t, noise))
    return NoisySample(x_t=x_t, t=t, at_start=at_start)
