"""Saliency detection and region-of-interest masks for learned image coding."""

from roi_saliency.border import barrier_distance, border_contrast
from roi_saliency.colour import rgb_to_lab
from roi_saliency.detectors import BarrierDetector, SaliencyDetector, SpectralResidualDetector
from roi_saliency.gcpa_blocks import (
    FeatureInterweavedAggregation,
    GlobalContextFlow,
    HeadAttention,
    SelfRefinement,
)
from roi_saliency.gcpanet import GCPANet, GCPANetConfig, SaliencyLogits
from roi_saliency.loss import saliency_loss
from roi_saliency.mask import SmoothMask, gaussian_kernel, pool_mask
from roi_saliency.onnx import ONNXDetector
from roi_saliency.weighting import scale_mask, weight_latent

__all__ = [
    "BarrierDetector",
    "FeatureInterweavedAggregation",
    "GCPANet",
    "GCPANetConfig",
    "GlobalContextFlow",
    "HeadAttention",
    "ONNXDetector",
    "SaliencyDetector",
    "SaliencyLogits",
    "SelfRefinement",
    "SmoothMask",
    "SpectralResidualDetector",
    "barrier_distance",
    "border_contrast",
    "gaussian_kernel",
    "pool_mask",
    "rgb_to_lab",
    "saliency_loss",
    "scale_mask",
    "weight_latent",
]
