"""Schedulers of `diffusers` as samplers of our image decoder.

Each scheduler is built with a `prediction_type` that it knows; our network predicts the image, and
`DiffusersSampler` converts that and gives the scheduler the noise schedule of the model. The model
that comes with the package is trained for one step, so its PSNR falls with several.

    pip install diffusers
    python examples/diffusers_samplers.py photo.jpg
"""

import sys
from pathlib import Path

import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    LCMScheduler,
)
from torch import Tensor

from cond_diffusion import CosineSchedule, DiffusersSampler, Sampler, TruncatedDDIM
from lrisc_system import LRISC, SHIPPED, load_image, load_model
from lrisc_system.metrics.quality import evaluate_pair


def make_samplers(schedule: CosineSchedule) -> dict[str, Sampler]:
    """Build three samplers of `diffusers` and one of ours."""
    schedulers = {
        "DPM-Solver++": DPMSolverMultistepScheduler(prediction_type="sample"),
        "Euler ancestral": EulerAncestralDiscreteScheduler(prediction_type="v_prediction"),
        "LCM": LCMScheduler(prediction_type="sample"),
    }
    samplers: dict[str, Sampler] = {
        name: DiffusersSampler(schedule, scheduler) for name, scheduler in schedulers.items()
    }
    return samplers | {"truncated DDIM": TruncatedDDIM(schedule, gamma=0.5)}


def main(
    system: LRISC, image: Tensor, *, snr_db: float = 10.0, steps: int = 5
) -> dict[str, tuple[Tensor, float]]:
    """Receive one packet by each sampler; return image and PSNR by sampler."""
    packet = system.send(image, snr_db)
    results = {}
    for name, sampler in make_samplers(system.decoder.schedule).items():
        generator = torch.Generator().manual_seed(0)
        received = system.receive(packet, snr_db, generator=generator, steps=steps, sampler=sampler)
        results[name] = received, evaluate_pair(image, received).psnr
    return results


if __name__ == "__main__":
    for name, (_, psnr_db) in main(load_model(SHIPPED), load_image(Path(sys.argv[1]))).items():
        print(f"{name}: {psnr_db:.2f} dB")
