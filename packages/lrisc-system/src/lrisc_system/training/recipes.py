"""The stages of training, Algorithm 1 of the paper, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from torch import nn

COMPUTED = ".quantiles"
"""Parameters in name only: `Hyperprior.update` computes the range of z's prior from the prior."""

ADAPTERS = ("jscc_encoder.snr_adapter", "jscc_decoder.snr_adapter")


@dataclass(frozen=True)
class Stage:
    """One stage: what moves, under which channel, for how long.

    Args:
        name: of the stage.
        trainable: prefixes of the parameters that move.
        frozen: prefixes among those that do not.
        clean_share: share of each micro-batch that skips the channel: those images are x_bar of
            Eq. (14), the others x_hat. 1 trains without a channel.
        redraw: whether the image decoder takes part; without it the loss is the rate alone.
        snr_db: range of the SNR drawn for each image, uniformly.
        eta: range of eta of Eq. (6) drawn for each image, log-uniformly.
        alpha: range of alpha of Eq. (3) drawn for each image, log-uniformly.
        steps: optimiser steps.
        learning_rate: at the start of the stage.
        final_learning_rate: at its end; a half cosine lies between.
        warmup: steps over which the learning rate grows from 0.
        rate_warmup: steps over which lambda grows from a tenth to its full value.
        crop: side of the training crops.
        scale: range of the factor by which photos are enlarged before they are cut.
        batch_size: images in a step, over all processes.
    """

    name: str
    trainable: tuple[str, ...]
    frozen: tuple[str, ...] = ()
    clean_share: float = 0.0
    redraw: bool = True
    snr_db: tuple[float, float] = (10.0, 10.0)
    eta: tuple[float, float] = (0.2, 0.2)
    alpha: tuple[float, float] = (0.2, 0.2)
    steps: int = 1000
    learning_rate: float = 1e-4
    final_learning_rate: float = 1e-4
    warmup: int = 0
    rate_warmup: int = 0
    crop: int = 256
    scale: tuple[float, float] = (1.0, 1.0)
    batch_size: int = 16

    def parameters(self, system: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the named parameters that this stage trains."""
        for name, parameter in system.named_parameters():
            if (
                name.startswith(self.trainable)
                and not name.startswith(self.frozen or ("\0",))
                and not name.endswith(COMPUTED)
            ):
                yield name, parameter


@dataclass(frozen=True)
class Recipe:
    """How a preset is trained: its stages, and the weights of the loss.

    Args:
        stages: in order.
        lambda_rate: lambda of Eq. (14), per unit of CBR.
        lambda_perceptual: lambda_p of Eq. (13).
        perceptual: networks of LPIPS in Eq. (13), of `perceptual.BACKBONES`; their distances add.
        magnification: the largest at which they see the crops, see `multiscale`.
        lambda_grid: weight of the pattern that errors in flat areas have in common, see
            `losses.grid_distortion`.
        average_decay: of the moving average of the weights, which is what is kept.
    """

    stages: tuple[Stage, ...]
    lambda_rate: float = 0.05
    lambda_perceptual: float = 0.5
    perceptual: tuple[str, ...] = ("alex",)
    magnification: int = 1
    lambda_grid: float = 0.0
    average_decay: float = 0.999


PRIOR_CODEC = ("g_a", "hyperprior", "decoder")
JSCC_CODEC = ("jscc_encoder", "jscc_decoder")

# COCO, 50,000 images: one epoch is 3,125 steps of 16.
PAPER_STAGES = (
    Stage(
        "1-prior-codec",
        trainable=PRIOR_CODEC,
        clean_share=1.0,
        steps=62_500,
        rate_warmup=6_250,
    ),
    Stage("2a-jscc-codec", trainable=JSCC_CODEC, frozen=ADAPTERS, steps=31_250),
    Stage("2b-snr-adapter", trainable=JSCC_CODEC, snr_db=(0.0, 20.0), steps=31_250),
    Stage(
        "3-end-to-end",
        trainable=("",),
        clean_share=0.5,
        snr_db=(0.0, 20.0),
        eta=(0.1, 0.4),
        steps=62_500,
        final_learning_rate=1e-6,
    ),
)

SMALL_STAGES = (
    Stage(
        "0-hyperprior",
        trainable=("hyperprior",),
        clean_share=1.0,
        redraw=False,
        steps=600,
        learning_rate=2e-3,
        final_learning_rate=2e-4,
        alpha=(0.2, 1.0),
        crop=128,
        batch_size=16,
    ),
    Stage(
        "1-prior-codec",
        trainable=PRIOR_CODEC,
        clean_share=1.0,
        steps=600,
        learning_rate=5e-4,
        final_learning_rate=3e-4,
        rate_warmup=200,
        alpha=(0.2, 1.0),
        crop=128,
        batch_size=8,
    ),
    Stage(
        "2a-jscc-codec",
        trainable=JSCC_CODEC,
        frozen=ADAPTERS,
        steps=150,
        learning_rate=3e-4,
        final_learning_rate=3e-4,
        eta=(0.05, 0.6),
        alpha=(0.2, 1.0),
        crop=128,
        batch_size=8,
    ),
    Stage(
        "2b-snr-adapter",
        trainable=JSCC_CODEC,
        snr_db=(0.0, 20.0),
        steps=150,
        learning_rate=3e-4,
        final_learning_rate=3e-4,
        eta=(0.05, 0.6),
        alpha=(0.2, 1.0),
        crop=128,
        batch_size=8,
    ),
    Stage(
        "3-end-to-end",
        trainable=("",),
        clean_share=0.125,
        snr_db=(0.0, 20.0),
        eta=(0.05, 0.6),
        alpha=(0.2, 1.0),
        steps=24_000,
        learning_rate=5e-4,
        final_learning_rate=3e-4,
        crop=128,
        batch_size=8,
    ),
    Stage(
        "3-larger-crops",
        trainable=("",),
        clean_share=0.125,
        snr_db=(0.0, 20.0),
        eta=(0.05, 0.6),
        alpha=(0.2, 1.0),
        steps=6000,
        learning_rate=3e-4,
        final_learning_rate=1e-6,
        crop=192,
        batch_size=8,
    ),
)

# The closed form is where `small` stood after its stages 1 and 2; so `base` needs but two stages,
# each compiled once. One epoch of the 2,871 photos is 90 steps of 32.
BASE_STAGES = (
    Stage(
        "0-hyperprior",
        trainable=("hyperprior",),
        clean_share=1.0,
        redraw=False,
        steps=2000,
        learning_rate=2e-3,
        final_learning_rate=2e-4,
        alpha=(0.2, 1.0),
        crop=128,
        batch_size=32,
    ),
    Stage(
        "3-end-to-end",
        trainable=("",),
        clean_share=0.125,
        snr_db=(0.0, 20.0),
        eta=(0.05, 0.6),
        alpha=(0.2, 1.0),
        steps=20_000,
        learning_rate=6e-4,
        final_learning_rate=1e-6,
        warmup=200,
        crop=256,
        batch_size=32,
    ),
)

TINY_STAGES = tuple(
    replace(
        stage,
        steps=2,
        learning_rate=1e-3,
        final_learning_rate=1e-3,
        rate_warmup=1,
        crop=64,
        batch_size=2,
    )
    for stage in SMALL_STAGES
)

RECIPES = {
    "paper": Recipe(PAPER_STAGES),
    "base": Recipe(
        BASE_STAGES, lambda_rate=0.15, lambda_perceptual=0.02, magnification=2, lambda_grid=200.0
    ),
    "small": Recipe(SMALL_STAGES, lambda_perceptual=0.02, magnification=2),
    "tiny": Recipe(TINY_STAGES, lambda_perceptual=0.02, magnification=2),
}


def narrow(stages: Iterable[Stage], only: tuple[str, ...]) -> Iterator[Stage]:
    """Let some parts alone move in the stages; a stage that moves none of them is left out.

    Args:
        stages: in order.
        only: prefixes of parameters.
    """
    for stage in stages:
        common = tuple(
            max(own, chosen, key=len)
            for own in stage.trainable
            for chosen in only
            if own.startswith(chosen) or chosen.startswith(own)
        )
        if common:
            yield replace(stage, trainable=common)


Found = TypeVar("Found")


def find_preset(name: str, presets: Mapping[str, Found]) -> Found:
    """Look up what belongs to a preset.

    Raises:
        ValueError: if there is no such preset.
    """
    if name not in presets:
        raise ValueError(f"expected a preset of {sorted(presets)}, got {name!r}")
    return presets[name]


def recipe(name: str) -> Recipe:
    """Look up the recipe of a preset of LRISC.

    Raises:
        ValueError: if there is no such preset.
    """
    return find_preset(name, RECIPES)


def describe_recipes(recipes: Mapping[str, Recipe], *, options: str) -> str:
    """List the stages of every preset, a line each, for the help of the training commands."""
    return "\n\n".join(
        "\n".join([f"Stages of {options} --preset {name}:", *map(_describe, known.stages)])
        for name, known in recipes.items()
    )


def _describe(stage: Stage) -> str:
    low, high = stage.snr_db
    channel = "no channel" if stage.clean_share == 1 else f"{low:g} to {high:g} dB"
    return (
        f"  {stage.name}: {stage.steps} steps of {stage.batch_size} crops of {stage.crop}, "
        f"{channel}, learning rate {stage.learning_rate:g} to {stage.final_learning_rate:g}"
    )
