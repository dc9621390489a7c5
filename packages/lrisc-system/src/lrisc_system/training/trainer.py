"""The training loop: Algorithm 1 of the paper, distributed by Accelerate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast
from torch import nn

from lrisc_system.data.crops import mix_seed
from lrisc_system.storage.checkpoint import load_start
from lrisc_system.storage.pretrained import MODEL_NAME
from lrisc_system.training.averages import average_terms
from lrisc_system.training.flop import count_flop
from lrisc_system.training.folder_lock import locked
from lrisc_system.training.interruption import SignalWatch, Stopped
from lrisc_system.training.moving_average import MovingAverage
from lrisc_system.training.optimization import (
    find_adversary,
    make_optimizer,
    set_learning_rate,
    trained_parameters,
)
from lrisc_system.training.progress import Position, RunTotals
from lrisc_system.training.recipes import find_preset
from lrisc_system.training.resumption import how_to_go_on, list_checkpoints, read_resumes
from lrisc_system.training.run_card import describe_run
from lrisc_system.training.run_output import open_output
from lrisc_system.training.schedule import (
    Schedule,
    StepSchedule,
    TimeSchedule,
    learning_rate,
)
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.setup import (
    cache_photos,
    check_parts,
    check_stages,
    freeze_all_but,
    load_loss_networks,
    open_data,
    partition_data,
    split_off_realism,
    start_accelerator,
)
from lrisc_system.training.sharding import full_tensors
from lrisc_system.training.state import (
    load_adversary,
    load_optimizer,
    load_position,
    load_state,
    load_totals,
    name_optimizer,
)
from lrisc_system.training.step import take_step
from lrisc_system.training.trainable import TrainableModel


class Trainer:
    """Trains a model through the stages of a recipe.

    Args:
        settings: settings of the run.
        trainable: the kind of model that `settings.model` names.

    Raises:
        ValueError: if the settings, the data and the processes do not fit together.
    """

    def __init__(self, settings: TrainSettings, trainable: TrainableModel[Any]) -> None:
        self.settings, self.trainable, self.signals = settings, trainable, SignalWatch()
        recipe = settings.adjust(find_preset(settings.preset, trainable.recipes()))
        self.accelerator = start_accelerator(settings)
        self.device = self.accelerator.device
        check_stages(
            recipe,
            parts=self.accelerator.num_processes * settings.accumulate,
            sharded=self.accelerator.is_fsdp2,
        )
        self.data = open_data(settings, detector=trainable.detector)
        self.data = self.data.first(settings.validation_photos)
        self.source = self.data.source
        self.model = self._build()
        self.recipe, self.left_out = (
            split_off_realism(recipe, self.model) if settings.recipe is None else (recipe, [])
        )
        self.schedule: Schedule = (
            StepSchedule(self.recipe.stages)
            if settings.minutes is None
            else TimeSchedule(self.recipe.stages, minutes=settings.minutes)
        )
        check_parts(self.recipe, settings, self.model)
        self.average = MovingAverage(self.model, decay=self.recipe.average_decay)
        self.card = describe_run(
            settings,
            recipe=self.recipe,
            data=self.source.fingerprint(),
            held_out=self.data.held_out,
            accelerator=self.accelerator,
        )
        self.states = self._list_checkpoints()

    def run(self) -> None:
        """Train all stages from the newest checkpoint on, then write the finished model.

        Raises:
            ValueError: if the output folder is in use, or holds another run.
            TrainingError: if a loss term or a gradient is not finite.
            Stopped: if a signal came; the checkpoint that the message names was written.
        """
        main = self.accelerator.is_main_process
        with locked(self.settings.output, needed=main), self.signals.watching():
            try:
                self._run()
            except RuntimeError as error:
                if not self.signals.number:
                    raise
                # What ended this process's data loading or its peers may have been the signal.
                raise Stopped(self.signals.number, how_to_go_on(self.settings.output)) from error
        self.accelerator.end_training()
        folder = self.settings.output / MODEL_NAME
        self.monitor.say(f"Model: {folder}. Open it with --checkpoint {folder}.")

    def _run(self) -> None:
        self.states = self._list_checkpoints()  # again, now that no other run writes to it
        self.perceptual = load_loss_networks(self.recipe, self.settings, device=self.device)
        self.flop_per_image = count_flop(
            self.trainable,
            self.settings,
            recipe=self.recipe,
            perceptual=self.perceptual,
            device=self.device,
        )
        self.output = open_output(
            self.settings,
            trainable=self.trainable,
            accelerator=self.accelerator,
            card=self.card,
            resumed_at=read_resumes(self.settings.output) if self.states else [],
            held_out=self.data.held_out,
            held_out_masks=self.data.held_out_masks,
        )
        self.monitor = self.output.monitor
        self.source = cache_photos(self.source, self.settings.cache, self.device)
        position, totals = Position(), RunTotals()
        if self.states:
            newest = self.states[-1]
            position, totals = load_position(newest), load_totals(newest)
            load_state(newest, model=self.model, average=self.average.tensors)
            self.output.resumed_at.append(str(position))
        else:
            self._start()
        self.monitor.resume(position, totals)
        self.output.write_card(position)
        for name in self.left_out:
            self.monitor.say(f"the stage {name} is left out: the image decoder takes no realism")
        if not self.data.held_out:
            self.monitor.say("no photo was held out, so there is no validation")
        with self.monitor:
            for index in range(position.stage, len(self.recipe.stages)):
                first_step = position.step if index == position.stage else 0
                position = Position(index, self._train_stage(index, first_step))
                self.output.write_card(position)
            self.output.finish(position, self.model, self.average)

    def _list_checkpoints(self) -> list[Path]:
        return list_checkpoints(self.settings, card=self.card)

    def _start(self) -> None:
        """Set the initial weights: those of a trained model, or the closed form."""
        trained = self.settings.start_from
        if trained is None:
            self.trainable.start(self.model, self.source, seed=self.settings.seed)
        else:
            load_start(self.model, trained, preset=self.settings.preset, fresh=self.settings.only)
        self.average = MovingAverage(self.model, decay=self.recipe.average_decay)

    def _train_stage(self, index: int, first_step: int) -> int:
        """Train a stage to its end, and return the number of its steps."""
        stage, settings, accelerator = self.recipe.stages[index], self.settings, self.accelerator
        if self.schedule.is_over(index, first_step, self._seconds()):
            return first_step
        self.average.restart(self.model, self.trainable.begin_stage(self.model, stage))
        on_gpu, sharded = accelerator.device.type == "cuda", accelerator.is_fsdp2
        # FSDP cannot shard parameters in the memory format channels_last.
        if sharded or on_gpu:
            order = torch.contiguous_format if sharded else torch.channels_last
            self.model.to(memory_format=order)
        torch.manual_seed(mix_seed(settings.seed, index))  # of the critic, if there is one
        bare = self.trainable.objective(
            self.model, stage=stage, recipe=self.recipe, perceptual=self.perceptual
        )
        adversary = find_adversary(bare)
        if adversary is not None and first_step:
            load_adversary(self.states[-1], adversary)
        adam = make_optimizer(
            freeze_all_but(stage, self.model).values(),
            lr=stage.learning_rate,
            fused=on_gpu and not sharded,
            adversary=adversary,
        )
        objective, optimizer = accelerator.prepare(bare, adam)
        trained = trained_parameters(dict(stage.parameters(self.model)), adversary)
        self.average.place_like(self.model)  # `prepare` may have moved or sharded the parameters
        if first_step:
            load_optimizer(self.states[-1], adam, trained)
        last_step = self.schedule.last_step(index)
        partition = partition_data(
            stage, accelerator, settings, index=index, first_step=first_step, last_step=last_step
        )
        batches = self.source.batches(partition, workers=settings.workers)
        self.monitor.start_stage(
            stage, first_step, last_step=last_step, flop_per_image=self.flop_per_image[index]
        )
        done, over = first_step, False
        while not over:
            progress = self.schedule.progress(index, done, self._seconds())
            rate = learning_rate(stage, progress=progress, step=done)
            objective.train()
            set_learning_rate(optimizer, rate)
            micro_batches = take_step(
                objective,
                optimizer,
                batches,
                stage=stage,
                position=Position(index, done),
                accelerator=accelerator,
                settings=settings,
                monitor=self.monitor,
            )
            done += 1
            over = self.schedule.is_over(index, done, self._seconds())
            terms, stop = average_terms(
                micro_batches, stop=self.signals.number, accelerator=accelerator
            )
            run_step = self.monitor.step(stage, done, terms, rate=rate, last=over)
            self.average.update(self.model, step=run_step)
            if not stop and (over or done % settings.validate_every == 0):
                self.output.validate(stage, done, self.model, self.average)
            if stop or over or done % settings.save_every == 0:
                moments = name_optimizer(adam, trained)
                self.output.save_checkpoint(
                    Position(index, done), self.model, self.average, moments, adversary=adversary
                )
            if stop:
                self.output.write_card(Position(index, done))
                accelerator.end_training()
                raise Stopped(stop, how_to_go_on(settings.output))
        accelerator.free_memory(objective, optimizer)
        self._undo_sharding()
        return done

    def _seconds(self) -> float:
        """Return the time in training so far, the same on every process."""
        seconds = torch.tensor(self.monitor.seconds(), dtype=torch.float64)
        if self.settings.minutes is None or self.accelerator.num_processes == 1:
            return float(seconds)
        seconds = seconds.float().to(self.accelerator.device)
        return float(broadcast(seconds, from_process=0))

    def _build(self) -> nn.Module:
        """Build the model to train, the same on every process."""
        torch.manual_seed(self.settings.seed)
        model: nn.Module = self.trainable.make(self.settings)
        self.trainable.adapt(model, self.settings)
        return model

    def _undo_sharding(self) -> None:
        """Build the model again if FSDP has sharded it, because the next stage shards it anew."""
        if self.accelerator.is_fsdp2:
            weights = full_tensors(self.model.state_dict())
            self.average.gather()
            self.model = self._build()
            self.model.load_state_dict(weights)
