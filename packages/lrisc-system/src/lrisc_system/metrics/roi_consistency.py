"""Whether a detector finds the same region of interest in the received image as in the source."""

from __future__ import annotations

from torch import Tensor

THRESHOLD = 0.5  # of the saliency, where the mask of Eq. (1) crosses 1/2 with its initial values


def roi_iou(saliency: Tensor, received: Tensor) -> Tensor:
    """Compare two saliency maps, cut at 1/2: intersection over union of the regions.

    Args:
        saliency: saliency map of the source, (B, 1, H, W) in [0, 1].
        received: saliency map of the received image, of the same shape.

    Returns:
        (B,), from 0 to 1; 1 where neither image has a region.

    Raises:
        ValueError: if the shapes differ.
    """
    if saliency.shape != received.shape or saliency.ndim != 4:
        raise ValueError(
            f"expected two maps (B, 1, H, W), got {tuple(saliency.shape)} and "
            f"{tuple(received.shape)}"
        )
    one, other = saliency > THRESHOLD, received > THRESHOLD
    union = (one | other).sum(dim=(1, 2, 3))
    intersection = (one & other).sum(dim=(1, 2, 3))
    return intersection.where(union > 0, 1) / union.where(union > 0, 1)
