"""Means of a set of images over several draws of the channel, and how sure they are.

Two questions have two answers, so every mean has two intervals:

- *If the channel were drawn again, with the same images?* The images are fixed, like Kodak's 24,
  and only the noise of each is random. The variance of the mean is then the sum of what the seeds
  of each image show, `sum_i s_i^2 / S / N^2`: 24 images with three seeds each give up to 48 degrees
  of freedom, where three means of the whole set would give two. Images whose noise differs in
  strength are pooled by Satterthwaite's formula.
- *If other images of the kind were taken?* The images are the sample, each standing with the mean
  of its seeds, and the interval is Student's over them. It is wide because images differ, and says
  nothing about which of two links is better: both send the same images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

CONFIDENCE = 0.95
INTERVALS = 2000  # of Simpson's rule, even


@dataclass(frozen=True)
class Estimate:
    """A mean with the half-widths of its two 95% intervals; NaN where there is nothing to tell."""

    mean: float
    ci95_channel: float
    ci95_images: float


def estimate(values: np.ndarray) -> Estimate:
    """Estimate a mean.

    Args:
        values: (N, S), of N images and S seeds each.

    Raises:
        ValueError: another shape.
    """
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"expected (images, seeds), got {values.shape}")
    return Estimate(
        mean=float(values.mean()),
        ci95_channel=channel_interval(values),
        ci95_images=image_interval(values),
    )


def channel_interval(values: np.ndarray) -> float:
    """Half the 95% interval over draws of the channel, for these images: (N, S) -> number.

    Source: Satterthwaite, "An approximate distribution of estimates of variance components",
    Biometrics Bulletin 1946.
    """
    images, seeds = values.shape
    if seeds < 2 or not np.isfinite(values).all():
        return math.nan
    variance = values.var(axis=1, ddof=1)  # (N,)
    total = float(variance.sum())
    if total == 0.0:
        return 0.0
    freedom = (seeds - 1) * total**2 / float((variance**2).sum())
    return student_t(max(1, int(freedom + 1e-9))) * math.sqrt(total / seeds) / images


def image_interval(values: np.ndarray) -> float:
    """Half of Student's 95% interval over images, each the mean of its seeds: (N, S) -> number."""
    images = len(values)
    if images < 2 or not np.isfinite(values).all():
        return math.nan
    deviation = float(values.mean(axis=1).std(ddof=1))
    return student_t(images - 1) * deviation / math.sqrt(images)


@cache
def student_t(freedom: int) -> float:
    """Find the number that Student's variable exceeds, either way, with probability 5%.

    Args:
        freedom: degrees of freedom, at least 1.
    """
    low, high = 1.0, 13.0  # 1.96 for ever more degrees, 12.706 for one
    while high - low > 1e-9:
        middle = (low + high) / 2
        if _probability_within(middle, freedom) < CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _probability_within(t: float, freedom: int) -> float:
    """Integrate Student's density from -t to t by Simpson's rule."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))
    x = np.linspace(0.0, t, INTERVALS + 1)
    density = (1 + x**2 / freedom) ** (-(freedom + 1) / 2) * scale / math.sqrt(freedom * math.pi)
    weights = np.full(INTERVALS + 1, 2.0)
    weights[1::2] = 4.0
    weights[[0, -1]] = 1.0
    return float(2 * (weights * density).sum() * t / INTERVALS / 3)
