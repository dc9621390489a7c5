"""One optimiser step over its micro-batches."""

from __future__ import annotations

from collections.abc import Iterator

from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from torch import nn

from lrisc_system.data.crops import mix_seed
from lrisc_system.data.photos import Samples
from lrisc_system.training.failures import Batch, stop_if_broken
from lrisc_system.training.monitor import Monitor
from lrisc_system.training.objective import LossTerms, first_broken
from lrisc_system.training.optimization import clipped_together
from lrisc_system.training.progress import Position
from lrisc_system.training.recipes import Stage
from lrisc_system.training.settings import TrainSettings


def take_step(
    objective: nn.Module,
    optimizer: AcceleratedOptimizer,
    batches: Iterator[Samples],
    *,
    stage: Stage,
    position: Position,
    accelerator: Accelerator,
    settings: TrainSettings,
    monitor: Monitor,
) -> list[dict[str, float]]:
    """Accumulate the gradients of this process's micro-batches, then update the weights.

    Args:
        objective: (samples, *, seed, part, step) -> LossTerms, prepared by `accelerator`.
        optimizer: prepared by `accelerator`.
        batches: micro-batches of this process.
        stage: stage of the step.
        position: position of the run before the step; with the seed of the run and the number of
            the micro-batch, it decides every random draw.
        accelerator: joins the processes.
        settings: settings of the run.
        monitor: counts the time spent waiting for data, and the photos skipped.

    Returns:
        The loss terms of each micro-batch of this process, name -> value.

    Raises:
        TrainingError: if a loss term or the gradient is not finite.
    """
    every = []
    for turn in range(settings.accumulate):
        with monitor.waiting():
            samples = next(batches)
        monitor.skipped(samples.skipped)
        part = turn * accelerator.num_processes + accelerator.process_index
        seed = mix_seed(settings.seed, position.stage, position.step, part)
        batch = Batch(stage.name, position.step, part, seed, samples.names)
        with accelerator.accumulate(objective):
            with accelerator.autocast():
                terms: LossTerms = objective(
                    samples.to(accelerator.device),
                    seed=seed,
                    part=part,
                    step=position.step,
                )
            values = terms.values()
            stop_if_broken(first_broken(values), batch, settings.output)
            accelerator.backward(terms.minimized())
            if accelerator.sync_gradients:
                for parameters in clipped_together(accelerator.unwrap_model(objective)):
                    norm = accelerator.clip_grad_norm_(parameters, settings.max_norm)
                    broken = None if norm is None or norm.isfinite() else "the gradient"
                    stop_if_broken(broken, batch, settings.output)
            optimizer.step()
            optimizer.zero_grad()
        every.append(values)
    return every
