"""What a training run is told: the options of `lrisc train`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lrisc_system.training.recipes import Recipe, narrow


@dataclass(frozen=True)
class TrainSettings:
    """One training run.

    Args:
        model: what to train: lrisc, the baseline deepjscc, or module:function, a function of your
            own that takes a config and gives an LRISC with your parts in it.
        preset: name of the model's numbers and of its stages.
        data: folder of photos; beside `stream`, a folder of photos to validate on, if any.
        output: folder of the run: checkpoints, curves, run card, and the finished model.
        stream: tar shards to train on instead: a folder, or 'https://host/name-{000..099}.tar'.
        masks: folder of saliency maps `stem.png`; detected on the fly when absent.
        resume: go on from the newest checkpoint in `output`.
        start_from: folder of a trained model, whose weights are the start; the closed form by
            default.
        first_stage: name of the stage to begin with; all stages by default.
        only: parts of the model that move, such as decoder; all by default. Stages that move none
            of them are left out. They may differ from those of `start_from`.
        seed: of everything random.
        reals_per_token: of deepjscc: real numbers sent for 16 x 16 pixels; CBR is this over 1536.
        steps_scale: factor on the steps of every stage.
        minutes: of training, instead of the recipe's steps: the stages share them in proportion to
            their pixels, and learning rates follow the clock. Setting up, validating at the end
            and saving come on top.
        accumulate: micro-batches per process and step.
        device: to train on: cpu, cuda, cuda:1, mps; a GPU if there is one by default.
        cache: where photos are kept once they are decoded: in memory (ram), on the GPU (device),
            or nowhere (none); by default wherever they take less than a quarter of what is free.
        workers: data loading processes, if there is no cache.
        lambda_rate: lambda of Eq. (14), per unit of CBR; the preset's by default.
        lambda_perceptual: lambda_p of Eq. (13); the preset's by default.
        perceptual: networks of LPIPS in the loss, whose distances add; the preset's by default.
            Validation reports alex, whatever trains.
        magnification: the largest at which they see the crops, a random part of them enlarged; the
            preset's by default.
        vgg: file of VGG16's weights for LPIPS; by default what torchvision's cache holds.
        max_norm: gradients are clipped to this norm.
        mixed_precision: bf16 halves the activations; what the launcher says by default.
        checkpoint_gradients: recompute the U-Net's units in the backward pass, to save memory.
        compile: compile g_a and the U-Net by torch.compile.
        log_with: trackers of accelerate: tensorboard, wandb and more.
        save_every: steps between checkpoints.
        keep: newest checkpoints that stay.
        validate_every: steps between validations, each with a picture grid.
        validation_photos: how many held-out photos a validation takes.
    """

    preset: str
    output: Path
    data: Path | None = None
    stream: str | None = None
    masks: Path | None = None
    resume: bool = False
    start_from: Path | None = None
    first_stage: str | None = None
    only: tuple[str, ...] = ()
    seed: int = 0
    model: str = "lrisc"
    reals_per_token: int = 32
    steps_scale: float = 1.0
    minutes: float | None = None
    device: str | None = None
    cache: Literal["auto", "ram", "device", "none"] = "auto"
    accumulate: int = 1
    workers: int = 1
    lambda_rate: float | None = None
    lambda_perceptual: float | None = None
    perceptual: tuple[Literal["alex", "vgg"], ...] = ()
    magnification: int | None = None
    vgg: Path | None = None
    max_norm: float = 1.0
    mixed_precision: Literal["no", "bf16"] | None = None
    checkpoint_gradients: bool = False
    compile: bool = False
    log_with: tuple[str, ...] = ()
    save_every: int = 100
    keep: int = 2
    validate_every: int = 200
    validation_photos: int = 8

    def __post_init__(self) -> None:
        if self.data is None and self.stream is None:
            raise ValueError("expected --data or --stream, got neither")
        for name in ("accumulate", "save_every", "keep", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, got {getattr(self, name)}")
        if self.magnification is not None and self.magnification < 1:
            raise ValueError(f"expected a magnification of at least 1, got {self.magnification}")

    def adjust(self, known: Recipe) -> Recipe:
        """Apply what these settings change in a recipe.

        Raises:
            ValueError: if it has no stage of the name `first_stage`, or none that moves a part.
        """
        names = [stage.name for stage in known.stages]
        first = names[0] if self.first_stage is None else self.first_stage
        if first not in names:
            raise ValueError(f"expected a first stage of {names}, got {first!r}")
        stages = tuple(narrow(known.stages[names.index(first) :], self.only or ("",)))
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
            stages=tuple(
                replace(stage, steps=max(1, round(stage.steps * self.steps_scale)))
                for stage in stages
            ),
            **{name: value for name, value in chosen.items() if value is not None},
        )
