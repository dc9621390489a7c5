"""How a model is trained, as data: a recipe and its stages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import nn

COMPUTED = ".quantiles"
"""Suffix of parameters that are not trained: `Hyperprior.update` computes them from the prior."""

NATURAL = "decoder.natural_unet."
"""Prefix of the parameters that only stages with `realism` use, and so train."""
MOST_STEPS = 10**12
NETWORKS = ("alex", "vgg")  # of LPIPS


@dataclass(frozen=True)
class Stage:
    """One stage of training: the trained parameters, the channel, the length and the rates.

    Args:
        name: of the stage.
        trainable: prefixes of the names of the trained parameters.
        frozen: prefixes of those among them that are not trained.
        clean_share: fraction of each batch that skips the channel: these images are x_bar of
            Eq. (14), the others x_hat. 1 trains without a channel.
        decode_images: whether the image decoder runs; without it the loss is the rate alone.
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
        realism: whether images of realism 1 are asked of the image decoder, instead of 0.
        adversarial_weight: norm of the adversarial gradient of the images, relative to that of
            their distortion; 0 trains without a critic.
        adversarial_warmup: steps in which the critic learns alone.

    Raises:
        ValueError: if there is nothing to train, or a number is out of range.
    """

    name: str
    trainable: tuple[str, ...]
    frozen: tuple[str, ...] = ()
    clean_share: float = 0.0
    decode_images: bool = True
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
    realism: bool = False
    adversarial_weight: float = 0.0
    adversarial_warmup: int = 0

    def __post_init__(self) -> None:
        if not self.trainable:
            raise ValueError(f"expected trainable parts in stage {self.name!r}, got none")
        if not 0 <= self.clean_share <= 1:
            raise ValueError(f"expected clean_share in [0, 1], got {self.clean_share:g}")
        for name in ("steps", "crop", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, got {getattr(self, name)}")
        if self.steps > MOST_STEPS:
            raise ValueError(f"expected steps of at most {MOST_STEPS:,}, got {self.steps:.3g}")
        for name in ("warmup", "rate_warmup", "adversarial_warmup"):
            if getattr(self, name) < 0:
                raise ValueError(f"expected {name} of at least 0, got {getattr(self, name)}")
        for name in ("learning_rate", "final_learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} above 0, got {getattr(self, name):g}")
        if not 0 <= self.adversarial_weight < math.inf:
            raise ValueError(
                f"expected adversarial_weight of at least 0, got {self.adversarial_weight:g}"
            )
        for name, least, most in (
            ("snr_db", -math.inf, math.inf),
            ("eta", 0.0, math.inf),
            ("alpha", 0.0, 1.0),
            ("scale", 0.0, math.inf),
        ):
            low, high = getattr(self, name)
            if not least < low <= high <= most or math.isinf(high):
                limits = ("" if least < 0 else " above 0") + (", to 1" if most == 1 else "")
                raise ValueError(
                    f"expected {name} as a range{limits}, low to high, got {low:g} to {high:g}"
                )

    def parameters(self, system: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the named parameters that this stage trains."""
        for name, parameter in system.named_parameters():
            if (
                name.startswith(self.trainable)
                and not name.startswith(self.frozen or ("\0",))
                and not name.endswith(COMPUTED)
                and (self.realism or not name.startswith(NATURAL))
            ):
                yield name, parameter


@dataclass(frozen=True)
class Recipe:
    """How a preset is trained: its stages, and the weights of the loss.

    Args:
        stages: in order.
        lambda_rate: lambda of Eq. (14), per unit of CBR.
        lambda_perceptual: lambda_p of Eq. (13).
        perceptual: networks of LPIPS in Eq. (13), alex or vgg; their distances are summed.
        magnification: largest factor by which a random part of a crop is enlarged before LPIPS, see
            `multiscale`.
        lambda_grid: weight of the pattern that errors in flat areas have in common, see
            `losses.grid_distortion`.
        average_decay: decay of the moving average of the weights, which is the trained model.

    Raises:
        ValueError: if there is no stage, two have one name, or a number is out of range.
    """

    stages: tuple[Stage, ...]
    lambda_rate: float = 0.05
    lambda_perceptual: float = 0.5
    perceptual: tuple[str, ...] = ("alex",)
    magnification: int = 1
    lambda_grid: float = 0.0
    average_decay: float = 0.999

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names:
            raise ValueError("expected at least one stage, got none")
        if len(set(names)) < len(names):
            raise ValueError(f"expected stages of different names, got {names}")
        for name in ("lambda_rate", "lambda_perceptual", "lambda_grid"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} of at least 0, got {getattr(self, name):g}")
        if not self.perceptual:
            raise ValueError("expected at least one network in perceptual, got none")
        if not set(self.perceptual) <= set(NETWORKS):
            raise ValueError(
                f"expected networks in perceptual of {', '.join(NETWORKS)}, got "
                f"{', '.join(self.perceptual)}"
            )
        if self.magnification < 1:
            raise ValueError(f"expected a magnification of at least 1, got {self.magnification}")
        if not 0 <= self.average_decay < 1:
            raise ValueError(f"expected average_decay in [0, 1), got {self.average_decay:g}")


def select_parts(stages: Iterable[Stage], only: tuple[str, ...]) -> Iterator[Stage]:
    """Train only some parts in the stages; stages that train none of them are left out.

    Args:
        stages: stages in order.
        only: prefixes of the names of the parameters to train.
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


Value = TypeVar("Value")


def find_preset(name: str, presets: Mapping[str, Value]) -> Value:
    """Look up the value of a preset.

    Raises:
        ValueError: if there is no such preset.
    """
    if name not in presets:
        raise ValueError(f"expected a preset of {sorted(presets)}, got {name!r}")
    return presets[name]
