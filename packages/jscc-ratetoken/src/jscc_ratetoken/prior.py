"""What both sides know of the latent, its mean and scale, and the linear link that follows.

Components of standard deviation `scale` are sent with amplitude `scale^(1/2)`, the least-squares
share of the power, and received by linear minimum mean square error (LMMSE).
"""

import torch
from einops import rearrange
from torch import Tensor


def known_prior(
    mean: Tensor | None, scale: Tensor | None, *, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Fill in mean 0 and scale 1 where they are not given, and check the shapes of the rest."""
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
    """Weight of the received `s_hat / gain` in its linear minimum mean square error estimate.

    Unit-power channel noise, split over two real numbers, leaves `N = 10^(-snr_db / 10) /
    (2 gain^2)` on each after the division, so the weight is `variance / (variance + N)`.

    Args:
        variance: of the numbers before the gain, (v,) or (B, N, v), positive. It is `scale` for
            the `u` of `precode`.
        snr_db: (B,), dB.
        gain: amplitude that the sender put on the stream, (B,).

    Returns:
        (B, 1, v) or (B, N, v), between 0 and 1.
    """
    noise = 10 ** (-snr_db / 10) / (2 * gain**2)  # (B,)
    return variance / (variance + noise[:, None, None])
