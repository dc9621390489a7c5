"""How far a stage is, and when it ends: by its steps, or by the minutes of the whole run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

from lrisc_system.training.recipes import Stage


class Schedule(Protocol):
    """Tells the training loop where in a stage it is."""

    def progress(self, index: int, step: int, seconds: float) -> float:
        """Tell how much of a stage is done, in [0, 1].

        Args:
            index: of the stage.
            step: of the stage, from 0.
            seconds: that the run has trained, over all its stages.
        """
        ...

    def is_over(self, index: int, step: int, seconds: float) -> bool:
        """Tell whether a stage ends before this step."""
        ...

    def last_step(self, index: int) -> int | None:
        """Name the step that a stage stops before, if that is known beforehand."""
        ...


class StepSchedule:
    """Every stage takes the steps that its recipe names.

    Args:
        stages: of the recipe.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.steps = [stage.steps for stage in stages]

    def progress(self, index: int, step: int, seconds: float) -> float:
        """Tell how much of a stage is done: 0 at its first step, 1 at its last."""
        return step / max(1, self.steps[index] - 1)

    def is_over(self, index: int, step: int, seconds: float) -> bool:
        """Tell whether all steps are done."""
        return step >= self.steps[index]

    def last_step(self, index: int) -> int | None:
        """Name the number of steps."""
        return self.steps[index]


class TimeSchedule:
    """All stages together take a number of minutes, each a part as large as its share of pixels.

    Args:
        stages: of the recipe; a stage's share is steps x batch size x crop^2.
        minutes: of training, above 0.

    Raises:
        ValueError: if the minutes are not a number above 0.
    """

    def __init__(self, stages: Sequence[Stage], *, minutes: float) -> None:
        if not 0 < minutes < math.inf:
            raise ValueError(f"expected minutes above 0, got {minutes}")
        pixels = [stage.steps * stage.batch_size * stage.crop**2 for stage in stages]
        self.ends = [60 * minutes * done / sum(pixels) for done in accumulate(pixels)]

    def progress(self, index: int, step: int, seconds: float) -> float:
        """Tell how much of the stage's time has passed."""
        begin = self.ends[index - 1] if index else 0.0
        return min(1.0, max(0.0, (seconds - begin) / (self.ends[index] - begin)))

    def is_over(self, index: int, step: int, seconds: float) -> bool:
        """Tell whether the stage's time has passed."""
        return seconds >= self.ends[index]

    def last_step(self, index: int) -> int | None:
        """Give none: how many steps fit is not known."""
        return None


def learning_rate(stage: Stage, *, progress: float, step: int) -> float:
    """Anneal from the first to the last learning rate of a stage by half a cosine.

    The first `stage.warmup` steps come in on a line from 0: they stand in for what a new optimiser
    does not know yet.

    Args:
        stage: with the two learning rates.
        progress: of the stage, in [0, 1].
        step: of the stage, from 0.
    """
    swing = (1 + math.cos(math.pi * progress)) / 2
    rate = stage.final_learning_rate + (stage.learning_rate - stage.final_learning_rate) * swing
    return rate * min(1.0, (step + 1) / max(1, stage.warmup))


def rate_scale(stage: Stage, step: int) -> float:
    """Bring lambda of Eq. (14) in from a tenth, so that the first images are not grey."""
    return 1.0 if step >= stage.rate_warmup else 0.1 + 0.9 * step / stage.rate_warmup
