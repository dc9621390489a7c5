"""The noise schedule of the forward process."""

import math

import torch
from torch import Tensor, nn


class CosineSchedule(nn.Module):
    """Cosine noise schedule of the forward process, Eq. (8).

    Source: LRISC Eq. (8); the cosine form and its offset are Nichol and Dhariwal's (2021).
    With `steps = 8193`, 17, 65 or 129 decoding steps have equal strides (as in CDC).

    The tables are computed in float64 and stored as float32 buffers of shape (steps,):
    `beta[t]` in (0, 0.999] and `alpha_bar[t] = prod_{u <= t} (1 - beta[u])`, falling in (0, 1);
    `sigma[t] = sqrt((1 - alpha_bar[t]) / alpha_bar[t])`, the noise level relative to the image.

    Raises:
        ValueError: if `steps` is below 2.
    """

    alpha_bar: Tensor
    beta: Tensor
    sigma: Tensor

    def __init__(self, steps: int = 8193, *, offset: float = 0.008, beta_max: float = 0.999):
        super().__init__()
        if steps < 2:
            raise ValueError(f"expected at least 2 steps, got {steps}")
        time = torch.arange(steps + 1, dtype=torch.float64) / steps
        signal = torch.cos((time + offset) / (1 + offset) * math.pi / 2).square()
        beta = (1 - signal[1:] / signal[:-1]).clamp(max=beta_max)
        self.steps = steps
        self.register_buffer("beta", beta.float(), persistent=False)
        alpha_bar = (1 - beta).cumprod(0)
        self.register_buffer("alpha_bar", alpha_bar.float(), persistent=False)
        sigma = ((1 - alpha_bar) / alpha_bar).sqrt()
        self.register_buffer("sigma", sigma.float(), persistent=False)

    def q_sample(self, x_0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Diffuse images to time `t` in one operation, Eq. (8) composed `t + 1` times.

        Args:
            x_0: images (B, ...) in [-1, 1].
            t: times (B,), whole numbers in [0, steps).
            noise: standard normal, shaped as `x_0`.
        """
        alpha_bar = self.alpha_bar[t].view(-1, *[1] * (x_0.ndim - 1))
        return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise

    def timesteps(self, count: int) -> Tensor:
        """Return times (count,) with equal strides from `steps - 1` down to 0; one is `steps - 1`.

        Raises:
            ValueError: if `count` is not in [1, steps].
        """
        if not 1 <= count <= self.steps:
            raise ValueError(f"expected a step count in [1, {self.steps}], got {count}")
        last = self.steps - 1
        times = torch.linspace(last, 0, count, dtype=torch.float64).round().long()
        return times.to(self.beta.device)

    def nearest_timesteps(self, sigmas: Tensor) -> Tensor:
        """Return the times (K,) whose noise levels are nearest to falling `sigmas` (K,), in ratio.

        Raises:
            ValueError: if the sigmas do not fall, are outside the schedule, or so close together
                that two have the same time.
        """
        low, high = self.sigma[0].item(), self.sigma[-1].item()
        check_falling(sigmas, low=low, high=high, name="sigmas")
        ratio = sigmas.to(self.sigma.device).log() - self.sigma.log()[:, None]  # (T, K)
        times = ratio.abs().argmin(0)
        same = (times.diff() == 0).nonzero().flatten().tolist()
        if same:
            one, other = sigmas[same[0]].item(), sigmas[same[0] + 1].item()
            raise ValueError(
                f"expected sigmas at different times, got {one:.4g} and {other:.4g} at the same, "
                f"{int(times[same[0]])}"
            )
        return times


def check_falling(values: Tensor, *, low: float, high: float, name: str) -> None:
    """Check a list of times or noise levels.

    Raises:
        ValueError: if `values` is not one list that falls, or not in [low, high].
    """
    if values.ndim != 1:
        raise ValueError(f"expected a list of {name}, got the shape {tuple(values.shape)}")
    rises = (~(values.diff() < 0)).nonzero().flatten().tolist()
    if rises:
        one, other = values[rises[0]].item(), values[rises[0] + 1].item()
        raise ValueError(f"expected falling {name}, got {one:g} before {other:g}")
    outside = values[~((values >= low) & (values <= high))].tolist()
    if outside:
        raise ValueError(f"expected {name} in [{low:.4g}, {high:.4g}], got {outside[0]:g}")
