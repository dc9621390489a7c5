"""The two cues of the classical detector: how a pixel differs from the border of the image."""

import torch
from torch import Tensor


def barrier_distance(features: Tensor) -> Tensor:
    """Compute the minimum barrier distance of every pixel to the border of the image.

    The barrier of a path, in one channel, is the highest value on the path minus the lowest one.
    The distance of a pixel is the smallest sum of barriers over all paths from the border to it.
    It is small for a background that reaches the border, even if its colour changes slowly, and
    large for an object with an edge around it. The function relaxes the distances from the four
    neighbours in min(H, W) // 2 rounds, just enough to reach the centre. Long detours are not
    followed, so the result is an upper bound.

    Source: Zhang et al., "Minimum Barrier Salient Object Detection at 80 FPS", ICCV 2015. Here
    all channels share one path, and all pixels are relaxed at once instead of scanned.

    Args:
        features: Feature maps (B, C, H, W).

    Returns:
        Distances (B, 1, H, W), 0 on the border.
    """
    height, width = features.shape[-2:]
    border = torch.ones(height, width, dtype=torch.bool, device=features.device)
    border[1:-1, 1:-1] = False
    highest = features.masked_fill(~border, torch.inf)  # along the best path so far
    lowest = features.masked_fill(~border, -torch.inf)
    distance = (highest - lowest).sum(dim=1, keepdim=True)  # (B, C, H, W) -> (B, 1, H, W)
    for _ in range(min(height, width) // 2):
        for shift, axis in ((1, -1), (-1, -1), (1, -2), (-1, -2)):
            # Values that wrap around reach only the border, where the distance is already 0.
            new_highest = torch.maximum(highest.roll(shift, axis), features)
            new_lowest = torch.minimum(lowest.roll(shift, axis), features)
            new_distance = (new_highest - new_lowest).sum(dim=1, keepdim=True)
            nearer = new_distance < distance
            distance = torch.where(nearer, new_distance, distance)
            highest = torch.where(nearer, new_highest, highest)
            lowest = torch.where(nearer, new_lowest, lowest)
    return distance


def border_contrast(features: Tensor, *, width: int, variance_floor: float) -> Tensor:
    """Sum the distances of every pixel from the colours of three of the four border strips.

    Each strip is described by a Gaussian. The distance is Mahalanobis's, divided by its maximum
    over the image, or by 3 if the maximum is smaller. For each pixel, the strip with the largest
    distance is ignored, because an object may touch one side.

    Source: the boundary contrast of Zhang et al., ICCV 2015, reconstructed.

    Args:
        features: Feature maps (B, C, H, W).
        width: Pixels that belong to a strip, counted from the border.
        variance_floor: Added to the variance of every channel, in squared units of ``features``.

    Returns:
        Contrast (B, 1, H, W) in [0, 3].
    """
    strips = (
        features[..., :width, :],
        features[..., -width:, :],
        features[..., :width],
        features[..., -width:],
    )
    distances = []
    for strip in strips:
        distance = _mahalanobis(features, strip, variance_floor=variance_floor)
        peak = distance.amax(dim=(-2, -1), keepdim=True)
        distances.append(distance / peak.clamp_min(3.0))  # 3: too small a contrast
    each = torch.stack(distances)  # (4, B, H, W)
    return (each.sum(dim=0) - each.amax(dim=0)).unsqueeze(1)


def _mahalanobis(features: Tensor, sample: Tensor, *, variance_floor: float) -> Tensor:
    """Distance (B, H, W) of each pixel from the Gaussian of the sample (B, C, h, w)."""
    mean = sample.mean(dim=(-2, -1), keepdim=True)
    centred = sample - mean
    # Products and means, not a matrix product: results must not depend on the batch.
    covariance = (centred[:, :, None] * centred[:, None]).mean(dim=(-2, -1))  # (B, C, C)
    eye = torch.eye(features.shape[1], dtype=features.dtype, device=features.device)
    precision = torch.linalg.inv(covariance + variance_floor * eye)
    offset = features - mean
    scaled = (precision[..., None, None] * offset[:, None]).sum(dim=2)
    return (scaled * offset).sum(dim=1).clamp_min(0).sqrt()  # (B, C, H, W) -> (B, H, W)
