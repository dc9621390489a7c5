"""The training loss of the diffusion decoder."""

import torch
from torch import Tensor


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
