"""The training loss of the diffusion decoder."""

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


def truncated_snr_weight(
    alpha_bar: Tensor, *, minimum: float = 0.0, maximum: float = 5.0
) -> Tensor:
    """Compute the weight of a time in the loss, `w_t = min(abar_t / (1 - abar_t), 5)`, Eq. (10).

    Source: LRISC Eq. (10), reconstructed from Salimans and Ho (2022).

    Args:
        alpha_bar: any shape, in [0, 1]; at 1 the ratio is infinite and the weight is `maximum`.
        minimum: lower limit of the weight, 1 in Salimans and Ho. At 0 the noisiest times have
            almost no weight.
        maximum: upper limit of the weight.
    """
    alpha_bar = alpha_bar.float()
    return (alpha_bar / (1 - alpha_bar)).clamp(minimum, maximum)


def diffusion_loss(x_0: Tensor, estimate: Tensor, weight: Tensor) -> Tensor:
    """Compute the weighted squared error of the predicted image, Eq. (10), as a mean.

    Source: LRISC Eq. (10). Computed in float32 for all inputs, under autocast too.

    Args:
        x_0: images (B, 3, H, W).
        estimate: the network's `X_theta`, shaped as `x_0`.
        weight: `w_t` (B,).

    Returns:
        A scalar.

    Raises:
        ValueError: if the shapes do not match.
    """
    if estimate.shape != x_0.shape or weight.shape != x_0.shape[:1]:
        raise ValueError(
            f"expected estimate {tuple(x_0.shape)} and weight {tuple(x_0.shape[:1])}, "
            f"got {tuple(estimate.shape)} and {tuple(weight.shape)}"
        )
    squared_error = (x_0.float() - estimate.float()).square().flatten(1).mean(1)  # (B,)
    return torch.mean(weight.float() * squared_error)
