"""Sampling in few steps from the one-step prediction."""

import math
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from cond_diffusion.samplers.ddim import DDIM
from cond_diffusion.samplers.protocol import Callback, Predict
from cond_diffusion.schedule import CosineSchedule


@dataclass(frozen=True)
class TruncatedDDIM:
    """DDIM over the few noise levels at which details appear, from the one-step prediction.

    The first prediction is that of one-step decoding, `x_1 = X_theta(x, T - 1)`. With noise of
    deviation `sigma = sqrt((1 - abar) / abar)` relative to the image, DDIM then starts at the first
    of `timesteps` from `sqrt(abar) (x_1 + gamma sigma noise)`.

    Attributes:
        schedule: the noise schedule that the network was trained with.
        gamma: share of the noise of that level which is added, in [0, 1]; 0 is deterministic.
        sigma_max, sigma_min: first and last noise level of `timesteps`.

    Raises:
        ValueError: if `gamma` is not in [0, 1], or the noise levels do not fall.
    """

    schedule: CosineSchedule
    gamma: float = field(default=0.0, kw_only=True)
    sigma_max: float = field(default=0.3, kw_only=True)
    sigma_min: float = field(default=0.01, kw_only=True)

    start_deviation = None  # as for one prediction

    def __post_init__(self) -> None:
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"expected gamma in [0, 1], got {self.gamma}")
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise ValueError(
                f"expected 0 < sigma_min < sigma_max, got {self.sigma_min} and {self.sigma_max}"
            )

    def timesteps(self, count: int) -> Tensor:
        """List the `count - 1` times after the first prediction; their sigmas fall by one factor.

        Raises:
            ValueError: if `count` is below 1 or so large that times coincide.
        """
        if count < 1:
            raise ValueError(f"expected a step count of at least 1, got {count}")
        logarithms = torch.linspace(math.log(self.sigma_max), math.log(self.sigma_min), count - 1)
        return self.schedule.nearest_timesteps(logarithms.exp())

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
        """Sample an image; see `Sampler`. `timesteps` are those after the first prediction."""
        last = self.schedule.steps - 1
        x = predict(x, torch.full((len(x),), last, device=x.device))
        if callback is not None:
            callback(0, last, x)
        if len(timesteps) == 0:
            return x
        return DDIM(self.schedule)(
            predict,
            self._start(x, timesteps[0], generator=generator),
            timesteps=timesteps,
            callback=None if callback is None else _after_first(callback),
        )

    def _start(self, x_1: Tensor, t: Tensor, *, generator: Generator | None) -> Tensor:
        """Diffuse the first prediction to time `t`, with a share `gamma` of the noise."""
        if self.gamma > 0:
            noise = torch.randn(x_1.shape, generator=generator, device=x_1.device)
            x_1 = x_1 + self.gamma * self.schedule.sigma[t] * noise
        return self.schedule.alpha_bar[t].sqrt() * x_1


def _after_first(callback: Callback) -> Callback:
    """Count steps from 1, as one prediction came before."""
    return lambda step, t, x_0: callback(step + 1, t, x_0)
