"""The only training loop: Algorithm 1 of the paper, distributed by Accelerate.

`accelerate launch -m lrisc_system.train --help`, or `lrisc train --help` for one process.
"""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor, nn
from torch.optim import Adam
from torch.utils.data import DataLoader

from lrisc_system.checkpoint import save_model
from lrisc_system.config import preset
from lrisc_system.data import (
    CropPlan,
    PhotoCrops,
    Samples,
    collate,
    find_masks,
    list_images,
    mix_seed,
    split_validation,
)
from lrisc_system.metrics import lpips_network
from lrisc_system.monitor import Monitor
from lrisc_system.objective import LossTerms, TrainingObjective
from lrisc_system.stages import RECIPES, Recipe, Stage
from lrisc_system.start import start_in_closed_form
from lrisc_system.system import LRISC
from lrisc_system.training_state import (
    Place,
    list_states,
    load_place,
    load_state,
    save_state,
    start_average,
    update_average,
)
from lrisc_system.validation import validate


@dataclass(frozen=True)
class TrainSettings:
    """One training run.

    Args:
        preset: name of the model's numbers and of its stages.
        data: folder of photos.
        output: folder of the run: checkpoints, curves, and the finished model.
        masks: folder of saliency maps `stem.png`; detected on the fly when absent.
        resume: go on from the newest checkpoint in `output`.
        seed: of everything random.
        steps_scale: factor on the steps of every stage.
        accumulate: micro-batches per process and step.
        workers: data loading processes.
        lambda_rate: lambda of Eq. (14), per unit of CBR; the preset's by default.
        lambda_perceptual: lambda_p of Eq. (13); the preset's by default.
        max_norm: gradients are clipped to this norm.
        save_every: steps between checkpoints.
        keep: newest checkpoints that stay.
        validate_every: steps between validations.
        validation_photos: how many held-out photos a validation takes.
    """

    preset: str
    data: Path
    output: Path
    masks: Path | None = None
    resume: bool = False
    seed: int = 0
    steps_scale: float = 1.0
    accumulate: int = 1
    workers: int = 1
    lambda_rate: float | None = None
    lambda_perceptual: float | None = None
    max_norm: float = 1.0
    save_every: int = 100
    keep: int = 2
    validate_every: int = 200
    validation_photos: int = 8

    def recipe(self) -> Recipe:
        """Look up the preset's recipe and apply what these settings change in it."""
        recipe = RECIPES[self.preset]
        chosen = {
            "lambda_rate": self.lambda_rate,
            "lambda_perceptual": self.lambda_perceptual,
        }
        return replace(
            recipe,
            stages=tuple(
                replace(stage, steps=max(1, round(stage.steps * self.steps_scale)))
                for stage in recipe.stages
            ),
            **{name: value for name, value in chosen.items() if value is not None},
        )


class TrainingError(RuntimeError):
    """Training cannot go on; the message says where it stopped and why."""


def learning_rate(stage: Stage, step: int) -> float:
    """Anneal from the first to the last learning rate of a stage by half a cosine."""
    progress = step / max(1, stage.steps - 1)
    swing = (1 + math.cos(math.pi * progress)) / 2
    return stage.final_learning_rate + (stage.learning_rate - stage.final_learning_rate) * swing


def rate_scale(stage: Stage, step: int) -> float:
    """Bring lambda of Eq. (14) in from a tenth, so that the first images are not grey."""
    return 1.0 if step >= stage.rate_warmup else 0.1 + 0.9 * step / stage.rate_warmup


class Trainer:
    """The objects of a run, and the loop over its stages."""

    def __init__(self, settings: TrainSettings) -> None:
        self.settings = settings
        self.accelerator = Accelerator(gradient_accumulation_steps=settings.accumulate)
        photos, held_out = split_validation(list_images(settings.data))
        held_out = held_out[: settings.validation_photos]
        masks = settings.masks
        self.dataset = PhotoCrops(photos, find_masks(photos, masks) if masks else None)
        self.held_out = held_out
        self.held_out_masks = find_masks(held_out, masks) if masks else None
        torch.manual_seed(settings.seed)
        self.system = LRISC(preset(settings.preset))
        self.recipe = settings.recipe()
        self.perceptual = lpips_network("alex").to(self.accelerator.device)
        self.checkpoints = settings.output / "checkpoints"
        self.monitor = Monitor(settings.output, visible=self.accelerator.is_main_process)
        self.average: dict[str, Tensor] = {}

    def run(self) -> None:
        """Train every stage from where the run stands, then write the finished model."""
        states = list_states(self.checkpoints)
        if states and not self.settings.resume:
            raise ValueError(f"expected an empty output folder or --resume, got {states[-1]}")
        place = load_place(states[-1]) if states else Place()
        if not states:
            start_in_closed_form(self.system, self.dataset, seed=self.settings.seed)
        self.system.to(self.accelerator.device)
        self.average = start_average(self.system)
        with self.monitor:
            for index in range(place.stage, len(self.recipe.stages)):
                resumed = index == place.stage
                self._train_stage(index, place.step if resumed else 0, states[-1:] * resumed)
        if self.accelerator.is_main_process:
            save_model(self._averaged(), self.settings.output / "model")
        self.accelerator.wait_for_everyone()

    def _train_stage(self, index: int, first_step: int, states: list[Path]) -> None:
        stage, settings = self.recipe.stages[index], self.settings
        trained = dict(stage.parameters(self.system))
        for name, parameter in self.system.named_parameters():
            parameter.requires_grad_(name in trained)
        adam = Adam(trained.values(), lr=stage.learning_rate)
        for state in states:
            load_state(
                state, system=self.system, average=self.average, optimizer=adam, names=list(trained)
            )
        objective, optimizer = self.accelerator.prepare(
            TrainingObjective(
                self.system,
                self.perceptual,
                stage=stage,
                lambda_rate=self.recipe.lambda_rate,
                lambda_perceptual=self.recipe.lambda_perceptual,
            ),
            adam,
        )
        batches = self._batches(index, first_step)
        self.monitor.start_stage(stage, first_step)
        for step in range(first_step, stage.steps):
            objective.train()
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(stage, step)
            terms = self._step(objective, optimizer, batches, index, step)
            done = step + 1
            total = done + sum(earlier.steps for earlier in self.recipe.stages[:index])
            decay = min(self.recipe.average_decay, (1 + total) / (10 + total))
            update_average(self.average, self.system, decay=decay)
            self.monitor.step(stage, done, terms, rate=learning_rate(stage, step))
            last = done == stage.steps
            if last or done % settings.validate_every == 0:
                self._validate(stage, done)
            if (last or done % settings.save_every == 0) and self.accelerator.is_main_process:
                save_state(
                    self.checkpoints,
                    Place(index, done),
                    system=self.system,
                    average=self.average,
                    optimizer=adam,
                    names=list(trained),
                    keep=settings.keep,
                )

    def _step(
        self,
        objective: nn.Module,
        optimizer: AcceleratedOptimizer,
        batches: Iterator[Samples],
        index: int,
        step: int,
    ) -> LossTerms:
        """Take one optimiser step over the accumulated micro-batches."""
        accelerator, settings, stage = self.accelerator, self.settings, self.recipe.stages[index]
        for part in range(settings.accumulate):
            with self.monitor.waiting():
                samples = next(batches)
            self.monitor.skipped(samples.skipped)
            micro = part * accelerator.num_processes + accelerator.process_index
            seed = mix_seed(settings.seed, index, step, micro)
            with accelerator.accumulate(objective):
                with accelerator.autocast():
                    terms: LossTerms = objective(
                        samples.to(accelerator.device),
                        seed=seed,
                        rate_scale=rate_scale(stage, step),
                    )
                broken = terms.first_broken()
                if broken is not None:
                    raise TrainingError(
                        f"{broken} is not finite in stage {stage.name}, step {step}, seed {seed}"
                    )
                accelerator.backward(terms.total)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(objective.parameters(), settings.max_norm)
                optimizer.step()
                optimizer.zero_grad()
        return terms

    def _batches(self, index: int, first_step: int) -> Iterator[Samples]:
        stage = self.recipe.stages[index]
        parts = self.accelerator.num_processes * self.settings.accumulate
        if stage.batch_size % parts:
            raise ValueError(
                f"expected a batch of {stage.batch_size} (stage {stage.name}) that divides by "
                f"processes times accumulation, got {parts}"
            )
        plan = CropPlan(
            photos=len(self.dataset),
            size=stage.crop,
            micro_batch=stage.batch_size // parts,
            parts=parts,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
            seed=mix_seed(self.settings.seed, index),
            first_step=first_step,
            last_step=stage.steps,
        )
        workers = self.settings.workers
        loader = DataLoader(
            self.dataset, batch_sampler=plan, collate_fn=collate, num_workers=workers
        )
        return iter(loader)

    def _averaged(self) -> LRISC:
        """Copy the model with the moving average of its weights, ready to transmit."""
        averaged = copy.deepcopy(self.system)
        averaged.load_state_dict(self.average, strict=False)
        averaged.hyperprior.update()
        return averaged.eval()

    def _validate(self, stage: Stage, done: int) -> None:
        if self.accelerator.is_main_process and self.held_out:
            figures = validate(
                self._averaged(), self.held_out, self.held_out_masks, perceptual=self.perceptual
            )
            self.monitor.validation(stage, done, figures)


def main() -> None:
    """Train from the command line; a user's mistake ends in one line and exit code 2."""
    settings = tyro.cli(TrainSettings, description=__doc__)
    try:
        Trainer(settings).run()
    except (ValueError, OSError, TrainingError) as error:
        print(f"lrisc: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
