"""An estimate of the floating point operations of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, nn
from torch.utils.flop_counter import FlopCounterMode

from lrisc_system.data.photos import Samples
from lrisc_system.losses import Perceptual
from lrisc_system.training.objective import LossTerms
from lrisc_system.training.recipes import Recipe
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.setup import freeze_all_but
from lrisc_system.training.trainable import TrainableModel


def count_flop(
    trainable: TrainableModel[Any],
    settings: TrainSettings,
    *,
    recipe: Recipe,
    perceptual: Perceptual,
    device: torch.device,
) -> Sequence[int]:
    """Count the floating point operations that one image takes in a step of each stage.

    A new model makes one forward and one backward pass of each stage's loss, on one crop. Matrix
    products, convolutions and attention count, a multiplication and an addition as two; what
    `--checkpoint-gradients` computes again does not. The state of the random generators is
    restored.

    Args:
        trainable: kind of model.
        settings: settings of the run.
        recipe: recipe of the run.
        perceptual: distance in the loss, on `device`.
        device: device to compute on.
    """
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        model: nn.Module = trainable.make(settings).to(device)
        counts = []
        for stage in recipe.stages:
            freeze_all_but(stage, model)
            objective = trainable.objective(
                model, stage=stage, recipe=recipe, perceptual=perceptual
            ).train()
            generator = Generator().manual_seed(0)
            image = torch.rand(1, 3, stage.crop, stage.crop, generator=generator).to(device)
            with FlopCounterMode(display=False) as counter:
                terms: LossTerms = objective(Samples(image=image, saliency=image[:, :1]), seed=0)
                terms.minimized().backward()
            model.zero_grad()
            counts.append(counter.get_total_flops())
    return counts
