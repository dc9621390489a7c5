"""The output folder of a run: checkpoints, validations, the run card and the finished model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from lrisc_system.metrics.lpips import lpips_network
from lrisc_system.metrics.remembering import RememberingBackbone
from lrisc_system.metrics.vgg import VGGMetrics
from lrisc_system.storage.pretrained import MODEL_NAME, STATES_NAME
from lrisc_system.training.monitor import Monitor, read_curves
from lrisc_system.training.moving_average import MovingAverage
from lrisc_system.training.progress import Position, RunTotals
from lrisc_system.training.recipes import Stage
from lrisc_system.training.run_card import RunCard, finish_card, write_card
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.sharding import full_tensors
from lrisc_system.training.state import save_state
from lrisc_system.training.trackers import Trackers
from lrisc_system.training.trainable import TrainableModel
from lrisc_system.training.validation import validate


class RunOutput:
    """Writes the output folder of a run from the main process; every process calls every method.

    Args:
        settings: settings of the run.
        trainable: kind of model.
        accelerator: joins the processes.
        monitor: holds the totals of the run, and shows validations.
        card: card of the run before it begins.
        resumed_at: positions at which the run was resumed.
        held_out: validation photos.
        held_out_masks: their saliency maps, if there are masks.
    """

    def __init__(
        self,
        settings: TrainSettings,
        *,
        trainable: TrainableModel[Any],
        accelerator: Accelerator,
        monitor: Monitor,
        card: RunCard,
        resumed_at: Sequence[str],
        held_out: Sequence[Path],
        held_out_masks: Sequence[Path] | None,
    ) -> None:
        self.settings, self.trainable, self.accelerator = settings, trainable, accelerator
        self.monitor, self.card, self.resumed_at = monitor, card, [*resumed_at]
        self.held_out = list(held_out)
        self.masks = held_out_masks
        self.perceptual = lpips_network("alex").to(accelerator.device)
        self.vgg_metrics = VGGMetrics.load(settings.vgg, device=accelerator.device)
        if self.vgg_metrics is not None:  # the photos pass once in the whole run
            patches = RememberingBackbone(self.vgg_metrics.patches, kept=2 * len(self.held_out))
            self.vgg_metrics = replace(self.vgg_metrics, patches=patches)

    def save_checkpoint(
        self,
        position: Position,
        model: nn.Module,
        average: MovingAverage,
        optimizer: dict[str, Tensor],
        *,
        adversary: nn.Module | None = None,
    ) -> None:
        """Write a checkpoint to resume from, and delete old ones.

        Args:
            position: position of the run.
            model: model in training, sharded or not.
            average: moving average of its parameters.
            optimizer: tensors of the optimiser, named by `name_optimizer`.
            adversary: critic, if the stage trains one.
        """
        model_state, average_state, optimizer_state = (
            full_tensors(tensors) for tensors in (model.state_dict(), average.tensors, optimizer)
        )
        totals = self._totals()
        if self.accelerator.is_main_process:
            save_state(
                self.settings.output / STATES_NAME,
                position,
                model=model_state,
                average=average_state,
                optimizer=optimizer_state,
                adversary={} if adversary is None else adversary.state_dict(),
                totals=totals,
                keep=self.settings.keep,
            )

    def validate(self, stage: Stage, done: int, model: nn.Module, average: MovingAverage) -> None:
        """Measure the averaged model on the validation photos, if there are any.

        Args:
            stage: stage of the run.
            done: steps done in it.
            model: model in training, sharded or not.
            average: moving average of its parameters.
        """
        if not self.held_out:
            return
        averaged = self._averaged(model, average)
        if self.accelerator.is_main_process:
            figures = validate(
                self.trainable.link(averaged),
                self.held_out,
                self.masks,
                detector=self.trainable.detector,
                perceptual=self.perceptual,
                vgg_metrics=self.vgg_metrics,
                device=self.accelerator.device,
                max_pixels=self.settings.max_pixels,
                skipped=self.monitor.skipped,
            )
            if figures is not None:
                self.monitor.validation(stage, done, figures)

    def write_card(self, position: Position) -> None:
        """Write the run card as of a position."""
        card = self._card_at(position)
        if self.accelerator.is_main_process:
            write_card(card, self.settings.output)

    def finish(self, position: Position, model: nn.Module, average: MovingAverage) -> None:
        """Write the averaged model, and the run card next to it."""
        averaged, card = self._averaged(model, average), self._card_at(position)
        if self.accelerator.is_main_process:
            folder = self.settings.output / MODEL_NAME
            self.trainable.save(averaged, folder)
            finish_card(card, self.settings.output, model=folder)
            self.monitor.name_skipped(card.totals.skipped)

    def _averaged(self, model: nn.Module, average: MovingAverage) -> nn.Module:
        """Build the model with the moving average of its weights, ready to transmit."""
        averaged: nn.Module = self.trainable.make(self.settings)
        averaged.load_state_dict(full_tensors(model.state_dict()) | full_tensors(average.tensors))
        self.trainable.finish(averaged)
        return averaged.to(self.accelerator.device)

    def _card_at(self, position: Position) -> RunCard:
        return replace(
            self.card,
            position=position,
            resumed_at=self.resumed_at,
            totals=self._totals(),
            curves=read_curves(self.settings.output),
        )

    def _totals(self) -> RunTotals:
        return self.monitor.totals(gather_object([self.monitor.skipped_photos]))


def open_output(
    settings: TrainSettings,
    *,
    trainable: TrainableModel[Any],
    accelerator: Accelerator,
    card: RunCard,
    resumed_at: Sequence[str],
    held_out: Sequence[Path],
    held_out_masks: Sequence[Path] | None,
) -> RunOutput:
    """Open the output of a run, with a monitor and the trackers of the settings.

    The arguments are those of `RunOutput`.
    """
    config: dict[str, str | float] = {
        "model": settings.model,
        "preset": settings.preset,
        "seed": settings.seed,
    }
    monitor = Monitor(
        settings.output,
        stages=card.recipe.stages,
        trackers=Trackers(accelerator, config=config),
        visible=accelerator.is_main_process,
    )
    return RunOutput(
        settings,
        trainable=trainable,
        accelerator=accelerator,
        monitor=monitor,
        card=card,
        resumed_at=resumed_at,
        held_out=held_out,
        held_out_masks=held_out_masks,
    )
