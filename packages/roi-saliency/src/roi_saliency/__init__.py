"""Saliency detection and region-of-interest masks for learned image coding."""

from roi_saliency.mask import SmoothMask, gaussian_kernel, pool_mask
from roi_saliency.weighting import scale_mask, weight_latent

__all__ = ["SmoothMask", "gaussian_kernel", "pool_mask", "scale_mask", "weight_latent"]
