"""Weigh the latent by the region of interest, Eqs. (3)-(4)."""

import torch
from torch import Tensor


def scale_mask(latent_mask: Tensor, *, alpha: float | Tensor = 0.2) -> Tensor:
    """Turn the latent mask into weights, Eq. (3): W = alpha + (1 - alpha) M_y.

    Source: LRISC Eq. (3), reconstructed. A smaller ``alpha`` gives more of the bits to the ROI;
    ``alpha = 1`` switches the ROI off.

    Args:
        latent_mask: Latent mask of any shape, values in [0, 1].
        alpha: Weight of the pure background, in [0, 1]; or one for each image, (B,).

    Returns:
        Weights in [alpha, 1], of the shape of ``latent_mask``.

    Raises:
        ValueError: ``alpha`` is outside [0, 1], or its shape is not (B,).
    """
    if isinstance(alpha, Tensor):
        if alpha.shape != latent_mask.shape[:1]:
            raise ValueError(
                f"expected alpha for each of {len(latent_mask)} images, got {tuple(alpha.shape)}"
            )
        alpha = alpha.to(latent_mask).view(-1, *[1] * (latent_mask.ndim - 1))  # (B, 1, 1, 1)
    if not bool(((torch.as_tensor(alpha) >= 0.0) & (torch.as_tensor(alpha) <= 1.0)).all()):
        raise ValueError(f"expected alpha in [0, 1], got {alpha}")
    return alpha + (1.0 - alpha) * latent_mask


def weight_latent(y: Tensor, weights: Tensor, *, protected: int = 64) -> Tensor:
    """Scale all but the first channels by the weights, Eq. (4): y_w = [y[:64], W * y[64:]].

    Source: LRISC Eq. (4).

    Args:
        y: Latent (B, C, h, w).
        weights: Weights (B, 1, h, w) from ``scale_mask``.
        protected: Number of leading channels that are not scaled, in [0, C].

    Returns:
        Weighted latent (B, C, h, w).

    Raises:
        ValueError: The shapes do not fit, or ``protected`` is outside [0, C].
    """
    if y.ndim != 4:
        raise ValueError(f"expected y of shape (B, C, h, w), got {tuple(y.shape)}")
    batch, channels, height, width = y.shape
    if weights.shape != (batch, 1, height, width):
        raise ValueError(
            f"expected weights of shape {(batch, 1, height, width)}, got {tuple(weights.shape)}"
        )
    if not 0 <= protected <= channels:
        raise ValueError(f"expected protected in [0, {channels}], got {protected}")
    return torch.cat([y[:, :protected], weights * y[:, protected:]], dim=1)
