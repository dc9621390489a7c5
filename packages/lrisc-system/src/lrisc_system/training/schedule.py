"""The progress and the end of a stage: by its steps, or by the minutes of the whole run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

from lrisc_system.training.recipes import Stage


class Schedule(Protocol):
    """Tells the training loop the progress of a stage, and when the stage ends."""

    def progress(self, index: int, step: int, seconds: float) -> float:
        """Return the fraction of a stage that is done, in [0, 1].

        Args:
            index: index of the stage.
            step: step of the stage, from 0.
            seconds: time in training so far, over all stages.
        """
        ...

    def is_over(self, index: int, step: int, seconds: float) -> bool:
        """Say whether a stage ends before this step."""
        ...

    def last_step(self, index: int) -> int | None:
        """Return the step that a stage stops before, if it is known beforehand."""
        ...


class StepSchedule:
    """Every stage takes the steps that its recipe names.

    Args:
        stages: of the recipe.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.steps = [stage.steps for stage in stages]

    def progress(self, index: int, step: int, seconds: float) -> float:
        """Return the fraction of a stage that is done: 0 at its first step, 1 at its last."""
        return step / max(1, self.steps[index] - 1)

    def is_over(self, index: int, step: int, seconds: float) -> bool:
        """Say whether all steps are done."""
        return step >= self.steps[index]

    def last_step(self, index: int) -> int | None:
        """Return the number of steps."""
        return self.steps[index]


class TimeSchedule:
    """All stages together take a number of minutes. Each gets time in proportion to its pixels.

    Args:
        stages: stages of the recipe; the pixels of a stage are steps x batch size x crop^2.
        minutes: minutes of training, above 0.

    Raises:
        ValueError: if the minutes are not a number above 0.
    """

    def __init__(self, stages: Sequence[Stage], *, minutes: float) -> None:
        if not 0 < minutes < math.inf:
            raise ValueError(f"expected minutes above 0, got {minutes}")
        pixels = [stage.steps * stage.batch_size * stage.crop**2 for stage in stages]
        self.ends = [60 * minutes * done / sum(pixels) for done in accumulate(pixels)]

    def progress(self, index: int, step: int, seconds: float) -> float:
        """Return the fraction of the stage's time that has passed, in [0, 1]."""
        begin = self.ends[index - 1] if index else 0.0
        return min(1.0, max(0.0, (seconds - begin) / (self.ends[index] - begin)))

    def is_over(self, index: int, step: int, seconds: float) -> bool:
        """Say whether the stage's time has passed."""
        return seconds >= self.ends[index]

    def last_step(self, index: int) -> int | None:
        """Return None: the number of steps is not known beforehand."""
        return None


def learning_rate(stage: Stage, *, progress: float, step: int) -> float:
    """Compute the learning rate: half a cosine from the first to the last rate of a stage.

    In the first `stage.warmup` steps it grows linearly from 0, while the moments of the new
    optimiser settle.

    Args:
        stage: stage with the two learning rates.
        progress: fraction of the stage that is done, in [0, 1].
        step: step of the stage, from 0.
    """
    swing = (1 + math.cos(math.pi * progress)) / 2
    rate = stage.final_learning_rate + (stage.learning_rate - stage.final_learning_rate) * swing
    return rate * min(1.0, (step + 1) / max(1, stage.warmup))


def rate_scale(stage: Stage, step: int) -> float:
    """Compute the factor on lambda of Eq. (14): it grows from 0.1 to 1 over the warm-up.

    With the full lambda from the start, the first images turn grey.
    """
    return 1.0 if step >= stage.rate_warmup else 0.1 + 0.9 * step / stage.rate_warmup
