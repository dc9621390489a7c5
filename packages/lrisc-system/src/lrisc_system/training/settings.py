"""What a training run is told: the options of `lrisc train`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lrisc_system.options import (
    Device,
    FirstCheckpoint,
    IntegerOption,
    NewModel,
    NumberOption,
    PathOption,
    Seed,
    TextOption,
)
from lrisc_system.training.recipe_files import read_recipe
from lrisc_system.training.recipes import Recipe, Stage, select_parts


@dataclass(frozen=True)
class TrainSettings:
    """One training run.

    Args:
        preset: Name of the model's numbers, and of the recipe that it is trained by.
        output: Folder of the run: checkpoints, curves, run card, and the finished model.
        data: Folder of photos to train on; with --stream, a folder of photos to validate on.
        stream: Tar shards to train on instead: a folder, or 'https://host/name-{000..099}.tar'.
        masks: Folder of saliency maps `stem.png`; without it the saliency is detected.
        resume: Continue from the newest checkpoint in --output.
        recipe: TOML file with the stages and the weights of the loss, instead of the preset's; an
            option below changes what it names. Start from `lrisc recipes --preset small --as toml`.
        first_stage: Name of the stage to begin with; without it, all stages run.
        only: Parts of the model that move, such as decoder; without it, all do. Stages that move
            none of them are left out. These parts may differ from those of --checkpoint.
        batch_size: Images in a step of every stage, over all processes, instead of the recipe's.
        learning_rate: Learning rate at the start of every stage, instead of the recipe's; the one
            at its end changes by the same factor.
        reals_per_token: Of deepjscc: real numbers sent for 16 x 16 pixels; CBR is this over 1536.
        steps_scale: Factor on the steps of every stage.
        minutes: Minutes of training, instead of the recipe's steps: the stages share them in
            proportion to their pixels, and learning rates follow the clock. Setting up, the last
            validation and saving come on top.
        accumulate: Micro-batches per process and step.
        cache: Where decoded photos are kept: in memory (ram), on the GPU (device), or nowhere
            (none); auto takes the first of device and ram of which they need less than a quarter.
        workers: Data loading processes, if there is no cache.
        lambda_rate: lambda of Eq. (14), per unit of CBR, instead of the recipe's.
        lambda_perceptual: lambda_p of Eq. (13), instead of the recipe's.
        perceptual: Networks of LPIPS in the loss, whose distances add, instead of the recipe's.
            Validation reports alex, whatever trains.
        magnification: Largest factor by which a random part of a crop is enlarged before LPIPS,
            instead of the recipe's.
        vgg: File of VGG16's weights for LPIPS; without it, what torchvision's cache holds.
        max_norm: Gradients are clipped to this norm.
        mixed_precision: bf16 halves the activations; without it, what the launcher says.
        checkpoint_gradients: Recompute the U-Net's units in the backward pass, to save memory.
        compile: Compile g_a and the U-Net by torch.compile.
        log_with: Trackers of accelerate: tensorboard, wandb and more.
        save_every: Steps between checkpoints.
        keep: Number of newest checkpoints to keep.
        validate_every: Steps between validations, each with a picture grid.
        validation_photos: Number of held-out photos in a validation.
        start_from: folder of a trained model, whose weights are the start; the closed form by
            default. The option is `--checkpoint`.
        model: what to train, as `--model` names it.
        device: to train on; a GPU if there is one by default.
        seed: of everything random.

    Raises:
        ValueError: if there is nothing to train on, or a number is out of range.
    """

    preset: str
    output: Path
    data: PathOption = None
    stream: TextOption = None
    masks: PathOption = None
    resume: bool = False
    recipe: PathOption = None
    first_stage: TextOption = None
    only: tuple[str, ...] = ()
    batch_size: IntegerOption = None
    learning_rate: NumberOption = None
    reals_per_token: int = 32
    steps_scale: float = 1.0
    minutes: NumberOption = None
    accumulate: int = 1
    cache: Literal["auto", "ram", "device", "none"] = "auto"
    workers: int = 1
    lambda_rate: NumberOption = None
    lambda_perceptual: NumberOption = None
    perceptual: tuple[Literal["alex", "vgg"], ...] = ()
    magnification: IntegerOption = None
    vgg: PathOption = None
    max_norm: float = 1.0
    mixed_precision: Literal["no", "bf16"] | None = None
    checkpoint_gradients: bool = False
    compile: bool = False
    log_with: tuple[str, ...] = ()
    save_every: int = 100
    keep: int = 2
    validate_every: int = 200
    validation_photos: int = 8
    start_from: FirstCheckpoint = None
    model: NewModel = "lrisc"
    device: Device = None
    seed: Seed = 0

    def __post_init__(self) -> None:
        if self.data is None and self.stream is None:
            raise ValueError("expected --data or --stream, got neither")
        for name in ("accumulate", "save_every", "keep", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, got {getattr(self, name)}")
        for name in ("batch_size", "magnification"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"expected a {name} of at least 1, got {number}")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise ValueError(f"expected a learning rate above 0, got {self.learning_rate:g}")

    def adjust(self, known: Recipe) -> Recipe:
        """Apply what these settings change in the recipe of the preset.

        Args:
            known: recipe of the preset; the file `recipe` takes its place.

        Raises:
            ValueError: if it has no stage of the name `first_stage`, or none that moves a part, or
                the file is no recipe.
        """
        known = known if self.recipe is None else read_recipe(self.recipe)
        names = [stage.name for stage in known.stages]
        first = names[0] if self.first_stage is None else self.first_stage
        if first not in names:
            raise ValueError(f"expected a first stage of {names}, got {first!r}")
        stages = tuple(select_parts(known.stages[names.index(first) :], self.only or ("",)))
        if not stages:
            parts = ", ".join(self.only)
            raise ValueError(f"expected a stage from {first!r} on that moves {parts}, got none")
        chosen: dict[str, Any] = {
            "lambda_rate": self.lambda_rate,
            "lambda_perceptual": self.lambda_perceptual,
            "perceptual": self.perceptual or None,
            "magnification": self.magnification,
        }
        return replace(
            known,
            stages=tuple(map(self._adjust_stage, stages)),
            **{name: value for name, value in chosen.items() if value is not None},
        )

    def _adjust_stage(self, stage: Stage) -> Stage:
        stage = replace(stage, steps=max(1, round(stage.steps * self.steps_scale)))
        if self.batch_size is not None:
            stage = replace(stage, batch_size=self.batch_size)
        if self.learning_rate is not None:
            fall = stage.final_learning_rate / stage.learning_rate
            stage = replace(
                stage,
                learning_rate=self.learning_rate,
                final_learning_rate=self.learning_rate * fall,
            )
        return stage
