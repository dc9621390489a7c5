"""Conditional diffusion decoder that predicts the image, with DDIM sampling."""

from cond_diffusion.condition import Conditioner
from cond_diffusion.ddim import ddim_sample, ddim_step
from cond_diffusion.decoder import DiffusionConfig, DiffusionDecoder, Estimate
from cond_diffusion.objective import diffusion_loss, truncated_snr_weight
from cond_diffusion.schedule import CosineSchedule
from cond_diffusion.unet import ConditionalUNet, UNetConfig

__all__ = [
    "ConditionalUNet",
    "Conditioner",
    "CosineSchedule",
    "DiffusionConfig",
    "DiffusionDecoder",
    "Estimate",
    "UNetConfig",
    "ddim_sample",
    "ddim_step",
    "diffusion_loss",
    "truncated_snr_weight",
]
