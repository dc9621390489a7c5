"""The linear link that follows from the mean and scale of the latent, which both sides know.

Components of standard deviation `scale` are sent with amplitude `scale^(1/2)`, the least-squares
allocation of power, and estimated by linear minimum mean square error (LMMSE).
"""

import torch
from einops import rearrange
from torch import Tensor


def known_prior(
    mean: Tensor | None, scale: Tensor | None, *, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Return mean and scale, 0 and 1 by default, after a check of their shapes."""
    mean = torch.zeros_like(like) if mean is None else mean
    scale = torch.ones_like(like) if scale is None else scale
    if mean.shape != like.shape or scale.shape != like.shape:
        raise ValueError(
            f"expected mean and scale {tuple(like.shape)}, "
            f"got {tuple(mean.shape)} and {tuple(scale.shape)}"
        )
    return mean, scale


def to_tokens(latent: Tensor) -> Tensor:
    """Flatten the grid, (B, C, h, w) -> (B, N, C)."""
    return rearrange(latent, "b c h w -> b (h w) c")


def precode(y: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Scale to the least-squares amplitudes of an analog link, `u = (y - mean) / sqrt(scale)`.

    `u` has standard deviation `scale^(1/2)`, that is `variance^(1/4)`. Reconstructed from the
    closed-form link; KLT components scaled by `variance^(-1/4)`.
    """
    return (y - mean) * scale.rsqrt()


def undo_precoding(u: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Undo `precode`, `y = mean + sqrt(scale) * u`."""
    return mean + scale.sqrt() * u


def lmmse_weight(variance: Tensor, *, snr_db: Tensor, gain: Tensor) -> Tensor:
    """Compute the weight of the received `s_hat / gain` in its LMMSE estimate.

    LMMSE is the linear minimum mean square error. The channel noise divides between two real
    numbers. After the division by the gain, its power is `N = 10^(-snr_db / 10) / (2 gain^2)` on
    each of them, so the weight is `variance / (variance + N)`.

    Args:
        variance: of the numbers before the gain, (v,) or (B, N, v), positive. It is `scale` for
            the `u` of `precode`.
        snr_db: (B,), dB.
        gain: factor by which the sender multiplied the stream, (B,).

    Returns:
        (B, 1, v) or (B, N, v), between 0 and 1.
    """
    noise = 10 ** (-snr_db / 10) / (2 * gain**2)  # (B,)
    return variance / (variance + noise[:, None, None])
