"""Sampling by DDIM: from noise to the image in any number of steps."""

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from cond_diffusion.samplers.protocol import Callback, Predict
from cond_diffusion.schedule import CosineSchedule


def ddim_step(
    x_t: Tensor,
    x_0: Tensor,
    *,
    alpha_bar: Tensor,
    alpha_bar_next: Tensor,
    eta: float = 0.0,
    generator: Generator | None = None,
) -> Tensor:
    """Step from time `t` to a less noisy one, Eq. (11).

    Source: LRISC Eq. (11), which is Song et al. (2021), Eqs. (12) and (16), with `eta = 0`. It
    computes the noise that `x_0` implies and adds it again at the level of the next time. With
    `eta` above 0, fresh noise of variance `eta^2 (1 - abar') / (1 - abar) (1 - abar / abar')` takes
    the place of a part of it; with 1, the step is that of DDPM.

    Args:
        x_t: the image at time `t`, any shape.
        x_0: the prediction `X_theta`, shaped as `x_t`.
        alpha_bar: of time `t`, below 1.
        alpha_bar_next: of the next time, not below `alpha_bar`.
        eta: share of fresh noise, in [0, 1].
        generator: source of the fresh noise.
    """
    noise = (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()
    if eta == 0:
        return alpha_bar_next.sqrt() * x_0 + (1 - alpha_bar_next).sqrt() * noise
    variance = eta**2 * (1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)
    fresh = torch.randn(x_t.shape, generator=generator, device=x_t.device)
    kept = (1 - alpha_bar_next - variance).clamp(min=0)  # rounding can go below 0
    return alpha_bar_next.sqrt() * x_0 + kept.sqrt() * noise + variance.sqrt() * fresh


@dataclass(frozen=True)
class DDIM:
    """DDIM as a sampler, Eqs. (9) and (11).

    The last prediction is the result.

    Attributes:
        schedule: the noise schedule that the network was trained with.
        eta: share of fresh noise in each step, in [0, 1]; 0 is deterministic.

    Raises:
        ValueError: if `eta` is not in [0, 1].
    """

    schedule: CosineSchedule
    eta: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"expected eta in [0, 1], got {self.eta}")

    def __call__(
        self,
        predict: Predict,
        x: Tensor,
        /,
        *,
        timesteps: Tensor,
        generator: Generator | None = None,
        callback: Callback | None = None,
    ) -> Tensor:
        """Sample an image; see `Sampler`."""
        x_t, last = x, len(timesteps) - 1
        alpha_bar = self.schedule.alpha_bar[timesteps]
        for step, t in enumerate(timesteps):
            x_0 = predict(x_t, t.expand(len(x_t)))
            if callback is not None:
                callback(step, int(t), x_0)
            if step < last:
                x_t = ddim_step(
                    x_t,
                    x_0,
                    alpha_bar=alpha_bar[step],
                    alpha_bar_next=alpha_bar[step + 1],
                    eta=self.eta,
                    generator=generator,
                )
        return x_0


def ddim_sample(
    predict_x0: Predict,
    x_T: Tensor,
    *,
    schedule: CosineSchedule,
    steps: int,
) -> Tensor:
    """Run the deterministic reverse process from `x_T` to the image, Eqs. (9) and (11).

    Source: LRISC Eqs. (9), (11). Every prediction is clipped to [-1, 1]. The last one, at time 0
    (or at the only time, if there is one step), is the result.

    Args:
        predict_x0: `(x_t (B, ...), t (B,)) -> x_0`.
        x_T: the start (B, ...).
        schedule: the noise schedule that the network was trained with.
        steps: number of predictions, in [1, schedule.steps].

    Returns:
        The image, shaped as `x_T`, in [-1, 1].
    """

    def clipped(x_t: Tensor, t: Tensor) -> Tensor:
        return predict_x0(x_t, t).clamp(-1, 1)

    return DDIM(schedule)(clipped, x_T, timesteps=schedule.timesteps(steps))
