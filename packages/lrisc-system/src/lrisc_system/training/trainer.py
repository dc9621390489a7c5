"""The only training loop: Algorithm 1 of the paper, distributed by Accelerate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import broadcast, gather_object
from torch import Tensor, nn

from lrisc_system.data.crops import DataPartition, mix_seed
from lrisc_system.data.photos import Samples, find_masks, hash_names
from lrisc_system.losses import sum_distances
from lrisc_system.metrics.lpips import LPIPS, lpips_network
from lrisc_system.storage.pretrained import WEIGHTS_NAME
from lrisc_system.storage.tensors import load_weights
from lrisc_system.training.failures import Batch, stop_if_broken
from lrisc_system.training.monitor import Monitor, read_curves
from lrisc_system.training.objective import LossTerms, first_broken
from lrisc_system.training.recipes import Stage, find_preset
from lrisc_system.training.run_card import (
    RunCard,
    describe_start,
    finish_card,
    read_resumes,
    write_card,
)
from lrisc_system.training.schedule import (
    Schedule,
    StepSchedule,
    TimeSchedule,
    learning_rate,
    rate_scale,
)
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.setup import (
    freeze_all_but,
    make_optimizer,
    open_data,
    start_accelerator,
)
from lrisc_system.training.state import (
    Position,
    RunTotals,
    like,
    list_states,
    load_optimizer,
    load_position,
    load_state,
    load_totals,
    name_optimizer,
    save_state,
    start_average,
    update_average,
    whole,
)
from lrisc_system.training.trackers import Trackers
from lrisc_system.training.trainable import TrainableModel
from lrisc_system.training.validation import validate


class Trainer:
    """The objects of a run, and the loop over its stages.

    Args:
        settings: what to train, on what, for how long.
        trainable: the kind of model to train, which `settings.model` names.

    Raises:
        ValueError: if the settings, the data and the processes do not go together.
    """

    def __init__(self, settings: TrainSettings, trainable: TrainableModel[Any]) -> None:
        self.settings = settings
        self.trainable = trainable
        self.recipe = settings.adjust(find_preset(settings.preset, self.trainable.recipes()))
        self.accelerator = start_accelerator(settings)
        self.parts = self.accelerator.num_processes * settings.accumulate
        for stage in self.recipe.stages:
            if stage.batch_size % self.parts:
                raise ValueError(
                    f"expected a batch of {stage.batch_size} (stage {stage.name}) that divides by "
                    f"processes times accumulation, got {self.parts}"
                )
        self.source, held_out = open_data(
            settings, detector=self.trainable.detector, device=self.accelerator.device
        )
        self.schedule: Schedule = (
            StepSchedule(self.recipe.stages)
            if settings.minutes is None
            else TimeSchedule(self.recipe.stages, minutes=settings.minutes)
        )
        self.held_out = held_out[: settings.validation_photos]
        self.held_out_masks = find_masks(self.held_out, settings.masks) if settings.masks else None
        self.checkpoints = settings.output / "checkpoints"
        self.states = list_states(self.checkpoints)
        if self.states and not settings.resume:
            raise ValueError(f"expected an empty output folder or --resume, got {self.states[-1]}")
        self.resumed_at = read_resumes(settings.output) if self.states else []
        self.model = self._build()
        if not all(any(stage.parameters(self.model)) for stage in self.recipe.stages):
            parts = sorted(name for name, _ in self.model.named_children())
            raise ValueError(f"expected parts that the model has, {parts}, got {settings.only}")
        self.reported = lpips_network("alex").to(self.accelerator.device)
        self.perceptual = sum_distances(self._loss_networks())
        self.average: dict[str, Tensor] = {}
        self.monitor = Monitor(
            settings.output,
            stages=self.recipe.stages,
            trackers=Trackers(
                self.accelerator,
                config={"model": settings.model, "preset": settings.preset, "seed": settings.seed},
            ),
            visible=self.accelerator.is_main_process,
        )

    def run(self) -> None:
        """Train every stage from where the run stands, then write the finished model."""
        place, ledger = Position(), RunTotals()
        if self.states:
            self.average = start_average(self.model)
            place, ledger = load_position(self.states[-1]), load_totals(self.states[-1])
            load_state(self.states[-1], model=self.model, average=self.average)
            self.resumed_at.append(str(place))
        else:
            self._start()
            self.average = start_average(self.model)
        self.monitor.resume(place, ledger)
        self._write_card(place)
        with self.monitor:
            for index in range(place.stage, len(self.recipe.stages)):
                first_step = place.step if index == place.stage else 0
                place = Position(index, self._train_stage(index, first_step))
                self._write_card(place)
            self._finish(place)
        self.accelerator.end_training()

    def _start(self) -> None:
        """Set the weights that training begins with: of a trained model, or in closed form."""
        trained = self.settings.start_from
        if trained is None:
            self.trainable.start(self.model, self.source, seed=self.settings.seed)
        else:
            load_weights(self.model, trained / WEIGHTS_NAME, fresh=self.settings.only)

    def _train_stage(self, index: int, first_step: int) -> int:
        """Train a stage to its end; return the steps that it took."""
        stage, settings = self.recipe.stages[index], self.settings
        if self.schedule.is_over(index, first_step, self._seconds()):
            return first_step
        on_gpu, sharded = self.accelerator.device.type == "cuda", self.accelerator.is_fsdp2
        # FSDP cuts no parameter whose channels come last.
        if sharded or on_gpu:
            order = torch.contiguous_format if sharded else torch.channels_last
            self.model.to(memory_format=order)
        adam = make_optimizer(
            freeze_all_but(stage, self.model).values(),
            lr=stage.learning_rate,
            fused=on_gpu and not sharded,
        )
        objective, optimizer = self.accelerator.prepare(
            self.trainable.objective(
                self.model, stage=stage, recipe=self.recipe, perceptual=self.perceptual
            ),
            adam,
        )
        # FSDP has put shards in the place of parameters: the average follows.
        trained = dict(stage.parameters(self.model))
        for name, parameter in self.model.named_parameters():
            self.average[name] = like(self.average[name], parameter)
        if first_step:
            load_optimizer(self.states[-1], adam, trained)
        batches = self.source.batches(self._share(index, first_step), workers=settings.workers)
        self.monitor.start_stage(stage, first_step, last_step=self.schedule.last_step(index))
        done, over = first_step, False
        while not over:
            step = done
            rate = learning_rate(
                stage, progress=self.schedule.progress(index, step, self._seconds()), step=step
            )
            objective.train()
            for group in optimizer.param_groups:
                group["lr"] = rate
            terms = self._step(objective, optimizer, batches, index, step)
            done = step + 1
            over = self.schedule.is_over(index, done, self._seconds())
            total = self.monitor.step(stage, done, terms, rate=rate, last=over)
            decay = min(self.recipe.average_decay, (1 + total) / (10 + total))
            update_average(self.average, self.model, decay=decay)
            if over or done % settings.validate_every == 0:
                self._validate(stage, done)
            if over or done % settings.save_every == 0:
                self._save(Position(index, done), name_optimizer(adam, trained))
        self.accelerator.free_memory(objective, optimizer)
        self._leave_shards()
        return done

    def _seconds(self) -> float:
        """Tell how long the run has trained, the same on every process."""
        seconds = torch.tensor(self.monitor.seconds(), dtype=torch.float64)
        if self.settings.minutes is None or self.accelerator.num_processes == 1:
            return float(seconds)
        seconds = seconds.float().to(self.accelerator.device)
        return float(broadcast(seconds, from_process=0))

    def _step(
        self,
        objective: nn.Module,
        optimizer: AcceleratedOptimizer,
        batches: Iterator[Samples],
        index: int,
        step: int,
    ) -> dict[str, float]:
        """Take one optimiser step over the accumulated micro-batches."""
        accelerator, settings, stage = self.accelerator, self.settings, self.recipe.stages[index]
        for turn in range(settings.accumulate):
            with self.monitor.waiting():
                samples = next(batches)
            self.monitor.skipped(samples.skipped)
            part = turn * accelerator.num_processes + accelerator.process_index
            seed = mix_seed(settings.seed, index, step, part)
            batch = Batch(stage.name, step, part, seed, samples.names)
            with accelerator.accumulate(objective):
                with accelerator.autocast():
                    terms: LossTerms = objective(
                        samples.to(accelerator.device),
                        seed=seed,
                        part=part,
                        rate_scale=rate_scale(stage, step),
                    )
                values = terms.values()
                stop_if_broken(first_broken(values), batch, settings.output)
                accelerator.backward(terms.total)
                if accelerator.sync_gradients:
                    norm = accelerator.clip_grad_norm_(objective.parameters(), settings.max_norm)
                    broken = None if norm is None or norm.isfinite() else "the gradient"
                    stop_if_broken(broken, batch, settings.output)
                optimizer.step()
                optimizer.zero_grad()
        return values

    def _share(self, index: int, first_step: int) -> DataPartition:
        stage = self.recipe.stages[index]
        return DataPartition(
            size=stage.crop,
            micro_batch=stage.batch_size // self.parts,
            parts=self.parts,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
            seed=mix_seed(self.settings.seed, index),
            first_step=first_step,
            last_step=self.schedule.last_step(index),
            scale=stage.scale,
        )

    def _save(self, place: Position, optimizer: dict[str, Tensor]) -> None:
        """Write a checkpoint from the main process."""
        model, average, optimizer = (
            whole(tensors) for tensors in (self.model.state_dict(), self.average, optimizer)
        )
        ledger = self._ledger()
        if self.accelerator.is_main_process:
            save_state(
                self.checkpoints,
                place,
                model=model,
                average=average,
                optimizer=optimizer,
                ledger=ledger,
                keep=self.settings.keep,
            )

    def _validate(self, stage: Stage, done: int) -> None:
        if not self.held_out:
            return
        averaged = self._averaged()
        if self.accelerator.is_main_process:
            figures = validate(
                self.trainable.link(averaged),
                self.held_out,
                self.held_out_masks,
                detector=self.trainable.detector,
                perceptual=self.reported,
                device=self.accelerator.device,
            )
            self.monitor.validation(stage, done, figures)

    def _loss_networks(self) -> list[LPIPS]:
        files = {"vgg": self.settings.vgg}
        return [
            lpips_network(name, files.get(name)).to(self.accelerator.device)
            for name in self.recipe.perceptual
        ]

    def _build(self) -> nn.Module:
        """Build the model to train, the same on every process."""
        torch.manual_seed(self.settings.seed)
        model: nn.Module = self.trainable.make(self.settings)
        self.trainable.adapt(model, self.settings)
        return model

    def _averaged(self) -> nn.Module:
        """Build the model with the moving average of its weights, ready to transmit."""
        averaged: nn.Module = self.trainable.make(self.settings)
        averaged.load_state_dict(whole(self.model.state_dict()) | whole(self.average))
        self.trainable.finish(averaged)
        return averaged.to(self.accelerator.device)

    def _leave_shards(self) -> None:
        """Build the model anew from what FSDP has sharded, for the next stage shards it anew."""
        if self.accelerator.is_fsdp2:
            weights, self.average = whole(self.model.state_dict()), whole(self.average)
            self.model = self._build()
            self.model.load_state_dict(weights)

    def _ledger(self) -> RunTotals:
        return self.monitor.ledger(gather_object([self.monitor.skipped_photos]))

    def _finish(self, place: Position) -> None:
        """Write the finished model, and its card beside it."""
        averaged, card = self._averaged(), self._card(place)
        if self.accelerator.is_main_process:
            self.trainable.save(averaged, self.settings.output / "model")
            finish_card(card, self.settings.output, model=self.settings.output / "model")

    def _write_card(self, place: Position) -> None:
        card = self._card(place)
        if self.accelerator.is_main_process:
            write_card(card, self.settings.output)

    def _card(self, place: Position) -> RunCard:
        settings = self.settings
        return RunCard(
            model=settings.model,
            preset=settings.preset,
            seed=settings.seed,
            data=self.source.fingerprint(),
            held_out=hash_names((path.name, path.stat().st_size) for path in self.held_out),
            masks=settings.masks is not None,
            start=describe_start(settings.start_from),
            recipe=self.recipe,
            processes=self.accelerator.num_processes,
            accumulate=settings.accumulate,
            mixed_precision=self.accelerator.mixed_precision,
            place=place,
            resumed_at=self.resumed_at,
            ledger=self._ledger(),
            curves=read_curves(settings.output),
        )
