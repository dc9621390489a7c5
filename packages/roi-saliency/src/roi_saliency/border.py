"""How unlike the border of the image a pixel is: the two cues of the classical detector."""

import torch
from torch import Tensor


def barrier_distance(features: Tensor) -> Tensor:
    """Compute the minimum barrier distance of every pixel to the border of the image.

    A path from the border to a pixel has, in each channel, a barrier: its highest value less its
    lowest. The distance is the smallest sum of barriers over all paths. A background that
    reaches the border is near to it however much it changes slowly; an object is walled off.
    Found by relaxation from the four neighbours, min(H, W) // 2 rounds: just enough to reach the
    centre, so long detours are not followed and the result is an upper bound.

    Source: Zhang et al., "Minimum Barrier Salient Object Detection at 80 FPS", ICCV 2015; here
    all channels share one path, and images are relaxed at once instead of scanned.

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
            # What wraps around lands on the border, where nothing is nearer than 0.
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

    Each strip is a Gaussian, the distance is Mahalanobis's, divided by its maximum over the image
    or by 3 if that is more. The strip that a pixel differs from most is left out, since an object
    may touch one side.

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
        distances.append(distance / peak.clamp_min(3.0))  # three deviations are just a contrast
    each = torch.stack(distances)  # (4, B, H, W)
    return (each.sum(dim=0) - each.amax(dim=0)).unsqueeze(1)


def _mahalanobis(features: Tensor, sample: Tensor, *, variance_floor: float) -> Tensor:
    """Distance (B, H, W) of each pixel from the Gaussian of the sample (B, C, h, w)."""
    mean = sample.mean(dim=(-2, -1), keepdim=True)
    centred = sample - mean
    # Products and means rather than a matrix product, so neighbours in the batch never matter.
    covariance = (centred[:, :, None] * centred[:, None]).mean(dim=(-2, -1))  # (B, C, C)
    eye = torch.eye(features.shape[1], dtype=features.dtype, device=features.device)
    precision = torch.linalg.inv(covariance + variance_floor * eye)
    offset = features - mean
    scaled = (precision[..., None, None] * offset[:, None]).sum(dim=2)
    return (scaled * offset).sum(dim=1).clamp_min(0).sqrt()  # (B, C, H, W) -> (B, H, W)
