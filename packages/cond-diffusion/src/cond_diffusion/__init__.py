"""Conditional diffusion decoder that predicts the image, with DDIM sampling."""

from cond_diffusion.condition import Conditioner
from cond_diffusion.config import DiffusionConfig
from cond_diffusion.decoder import DiffusionDecoder
from cond_diffusion.estimate import Estimate
from cond_diffusion.objective import diffusion_loss, truncated_snr_weight
from cond_diffusion.samplers import (
    DDIM,
    Callback,
    DiffusersSampler,
    Predict,
    Sampler,
    TruncatedDDIM,
    ddim_sample,
    ddim_step,
)
from cond_diffusion.schedule import CosineSchedule
from cond_diffusion.unet import ConditionalUNet, UNetConfig

__all__ = [
    "DDIM",
    "Callback",
    "ConditionalUNet",
    "Conditioner",
    "CosineSchedule",
    "DiffusersSampler",
    "DiffusionConfig",
    "DiffusionDecoder",
    "Estimate",
    "Predict",
    "Sampler",
    "TruncatedDDIM",
    "UNetConfig",
    "ddim_sample",
    "ddim_step",
    "diffusion_loss",
    "truncated_snr_weight",
]
