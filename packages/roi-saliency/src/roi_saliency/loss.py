"""The training loss of a saliency network."""

import torch.nn.functional as F
from torch import Tensor

from roi_saliency.gcpanet import SaliencyLogits


def saliency_loss(
    logits: SaliencyLogits,
    target: Tensor,
    *,
    auxiliary_weights: tuple[float, ...] = (0.4, 0.6, 0.8),
) -> Tensor:
    """Add the cross-entropies of all decoder stages: BCE(final) + sum_j w_j BCE(auxiliary_j).

    Source: the deep supervision of Chen et al., AAAI 2020 (arXiv 2003.00651), reconstructed; the
    default weights, growing from coarse to fine, are our choice.

    Args:
        logits: Maps (B, 1, H, W) of the network.
        target: True saliency (B, 1, H, W) in [0, 1]; soft masks are fine.
        auxiliary_weights: One weight per coarser stage, coarse to fine.

    Returns:
        Scalar loss in nats per pixel.

    Raises:
        ValueError: The shapes differ, or the number of weights differs from the number of stages.
    """
    if target.shape != logits.final.shape:
        raise ValueError(
            f"expected target of shape {tuple(logits.final.shape)}, got {tuple(target.shape)}"
        )
    if len(auxiliary_weights) != len(logits.auxiliary):
        raise ValueError(
            f"expected {len(logits.auxiliary)} auxiliary_weights, got {len(auxiliary_weights)}"
        )
    loss = F.binary_cross_entropy_with_logits(logits.final, target)
    for weight, coarse in zip(auxiliary_weights, logits.auxiliary, strict=True):
        loss = loss + weight * F.binary_cross_entropy_with_logits(coarse, target)
    return loss
