"""The settings of a training run: the options of `lrisc train`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lrisc_system.limits import MAX_BAD_SHARE, MAX_PIXELS, check_share
from lrisc_system.options import (
    Device,
    FirstCheckpoint,
    IntegerOption,
    MaxBadShare,
    MaxPixels,
    NewModel,
    NumberOption,
    PathOption,
    Seed,
    TextOption,
    check_seed,
)
from lrisc_system.training.recipe_files import read_recipe
from lrisc_system.training.recipes import Recipe, Stage, select_parts


@dataclass(frozen=True)
class TrainSettings:
    """One training run.

    Args:
        preset: Preset of the model and of its recipe.
        output: Write checkpoints, curves, the run card and the finished model to this folder.
        data: Folder of photos to train on; with --stream, of photos to validate on.
        stream: Tar shards to train on instead: a folder, or 'https://host/name-{000..099}.tar'.
        masks: Folder of saliency maps, `a/001.png` for the photo `a/001.jpg`; without it, the
            model's detector makes them.
        resume: Continue from the newest checkpoint in --output.
        recipe: TOML file with the stages and the loss weights, instead of the preset's. The options
            below change single values. `lrisc recipes --preset small --as toml` prints a recipe to
            edit.
        first_stage: Name of the first stage to run; without it, that of the recipe.
        last_stage: Name of the last stage to run; without it, that of the recipe.
        only: Parts of the model to train, such as decoder; without it, all parts that a stage
            trains. Stages that train none of them are skipped. These parts need not fit the
            weights of --checkpoint.
        batch_size: Images per step over all processes, in every stage, instead of the recipe's.
        learning_rate: Learning rate at the start of every stage, instead of the recipe's. The rate
            at the end of the stage changes by the same factor.
        reals_per_token: Only for deepjscc: real numbers sent for 16 x 16 pixels. The CBR is this
            number over 1536; without it, 32.
        steps_scale: Factor on the steps of every stage.
        minutes: Minutes of training, instead of the recipe's steps. Each stage gets time in
            proportion to its pixels, and the learning rates follow the time. The setup, the last
            validation and the last checkpoint take more time.
        accumulate: Micro-batches per process and step.
        cache: Keep decoded photos in memory (ram), on the GPU (device), or nowhere (none). With
            auto, keep them on the GPU or else in memory, if they need at most a quarter of what is
            free there.
        workers: Number of data loading processes, if there is no cache; with --stream at most one,
            which keeps the order of the photos.
        lambda_rate: lambda of Eq. (14), per unit of CBR, instead of the recipe's.
        lambda_perceptual: lambda_p of Eq. (13), instead of the recipe's.
        perceptual: Networks of LPIPS in the loss, instead of the recipe's; their distances are
            summed. Validation always reports LPIPS with alex; with VGG16's weights it also
            reports DISTS and KID-VGG.
        magnification: Largest factor by which a random part of a crop is enlarged before LPIPS,
            instead of the recipe's.
        vgg: File of VGG16's weights for LPIPS, and for DISTS and KID-VGG in validations; without
            it, what torchvision's cache holds.
        max_pixels: Skip photos that claim more pixels.
        max_bad_share: Stop when more than this fraction of the photos cannot be read; fewer are
            skipped, counted and named at the end.
        max_norm: Clip gradients to this norm.
        mixed_precision: Compute in bf16, which halves the memory of activations, or not (no);
            without it, the launcher's choice.
        checkpoint_gradients: Recompute the U-Net's units in the backward pass, to save memory.
        compile: Compile g_a and the U-Net with torch.compile.
        log_with: Write curves to these trackers of Accelerate: tensorboard, wandb and others.
        save_every: Steps between checkpoints.
        keep: Number of newest checkpoints to keep.
        validate_every: Steps between validations, each with a picture grid.
        validation_photos: Number of held-out photos in a validation.
        start_from: folder of a trained model whose weights training starts from; the closed form by
            default. The option is `--checkpoint`.
        model: kind of model to train, as `--model` names it.
        device: device to train on; by default a GPU if there is one.
        seed: seed of everything random.

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
    last_stage: TextOption = None
    only: tuple[str, ...] = ()
    batch_size: IntegerOption = None
    learning_rate: NumberOption = None
    reals_per_token: IntegerOption = None
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
    max_pixels: MaxPixels = MAX_PIXELS
    max_bad_share: MaxBadShare = MAX_BAD_SHARE
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
        if self.stream is not None and self.workers > 1:
            raise ValueError(
                f"expected at most one worker with --stream, which keeps the order of the photos, "
                f"got {self.workers}"
            )
        check_share(self.max_bad_share)
        if self.max_pixels < 1:
            raise ValueError(f"expected max_pixels of at least 1, got {self.max_pixels}")
        for name in ("accumulate", "save_every", "keep", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, got {getattr(self, name)}")
        for name in ("batch_size", "magnification", "reals_per_token"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"expected a {name} of at least 1, got {number}")
        for name in ("learning_rate", "minutes", "steps_scale", "max_norm"):
            number = getattr(self, name)
            if number is not None and not 0 < number < math.inf:
                raise ValueError(f"expected {name} above 0, got {number:g}")
        check_seed(self.seed)
        for name in ("validation_photos", "workers"):
            if getattr(self, name) < 0:
                raise ValueError(f"expected {name} of at least 0, got {getattr(self, name)}")

    def adjust(self, known: Recipe) -> Recipe:
        """Apply the changes of these settings to the recipe of the preset.

        Args:
            known: recipe of the preset; the file `recipe` replaces it.

        Raises:
            ValueError: if it has no stage of the name `first_stage` or `last_stage`, or no stage
                between them that trains one of the parts `only`, or the file is not a recipe.
        """
        known = known if self.recipe is None else read_recipe(self.recipe)
        names = [stage.name for stage in known.stages]
        first = names[0] if self.first_stage is None else self.first_stage
        last = names[-1] if self.last_stage is None else self.last_stage
        for which, name in (("first", first), ("last", last)):
            if name not in names:
                raise ValueError(f"expected a {which} stage of {names}, got {name!r}")
        between = known.stages[names.index(first) : names.index(last) + 1]
        if not between:
            raise ValueError(f"expected a last stage from {first!r} on, got {last!r}")
        stages = tuple(select_parts(between, self.only or ("",)))
        if not stages:
            parts = ", ".join(self.only)
            raise ValueError(
                f"expected a stage from {first!r} to {last!r} that trains {parts}, got none"
            )
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
