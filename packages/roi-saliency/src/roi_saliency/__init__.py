"""Saliency detection and region-of-interest masks for learned image coding."""

from roi_saliency.border import barrier_distance, border_contrast
from roi_saliency.colour import rgb_to_lab
from roi_saliency.detectors import BarrierDetector, SaliencyDetector, SpectralResidualDetector
from roi_saliency.mask import SmoothMask, gaussian_kernel, pool_mask
from roi_saliency.weighting import scale_mask, weight_latent

__all__ = [
    "BarrierDetector",
    "SaliencyDetector",
    "SmoothMask",
    "SpectralResidualDetector",
    "barrier_distance",
    "border_contrast",
    "gaussian_kernel",
    "pool_mask",
    "rgb_to_lab",
    "scale_mask",
    "weight_latent",
]
