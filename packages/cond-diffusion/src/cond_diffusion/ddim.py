"""Deterministic sampling (DDIM) from noise to the image in any number of steps."""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

from cond_diffusion.schedule import CosineSchedule


def ddim_step(x_t: Tensor, x_0: Tensor, *, alpha_bar: Tensor, alpha_bar_next: Tensor) -> Tensor:
    """Step from time `t` to a less noisy one, Eq. (11).

    Source: LRISC Eq. (11), Song et al. (2021) with zero variance. It computes
    the noise that `x_0` implies and adds it again at the level of the next time.

    Args:
        x_t: the image at time `t`, any shape.
        x_0: the prediction `X_theta`, shaped as `x_t`.
        alpha_bar: of time `t`, below 1.
        alpha_bar_next: of the next time.
    """
    noise = (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()
    return alpha_bar_next.sqrt() * x_0 + (1 - alpha_bar_next).sqrt() * noise


def ddim_sample(
    predict_x0: Callable[[Tensor, Tensor], Tensor],
    x_T: Tensor,
    *,
    schedule: CosineSchedule,
    steps: int,
) -> Tensor:
    """Run the reverse process from `x_T` to the image, Eqs. (9) and (11).

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
    times = schedule.timesteps(steps)
    x_t = x_T
    for t, t_next in pairwise(times):
        x_0 = predict_x0(x_t, t.expand(len(x_t))).clamp(-1, 1)
        alpha_bar, alpha_bar_next = schedule.alpha_bar[t], schedule.alpha_bar[t_next]
        x_t = ddim_step(x_t, x_0, alpha_bar=alpha_bar, alpha_bar_next=alpha_bar_next)
    return predict_x0(x_t, times[-1].expand(len(x_t))).clamp(-1, 1)
