"""Samplers: how the image is reached from the start in a few predictions."""

from cond_diffusion.samplers.ddim import DDIM, ddim_sample, ddim_step
from cond_diffusion.samplers.diffusers import DiffusersSampler
from cond_diffusion.samplers.protocol import Callback, Predict, Sampler
from cond_diffusion.samplers.truncated import TruncatedDDIM

__all__ = [
    "DDIM",
    "Callback",
    "DiffusersSampler",
    "Predict",
    "Sampler",
    "TruncatedDDIM",
    "ddim_sample",
    "ddim_step",
]
