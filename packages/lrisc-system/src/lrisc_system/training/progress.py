"""The progress of a run: its position, and its totals over all resumes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Position:
    """Position of a run: the index of the stage, and the optimiser steps done in it."""

    stage: int = 0
    step: int = 0

    def __str__(self) -> str:
        return f"stage{self.stage}-step{self.step:07d}"


@dataclass(frozen=True)
class RunTotals:
    """Totals of a run over all its stages and resumes.

    Args:
        seconds: time in training, validations and checkpoints included.
        steps: optimiser steps.
        images: training crops, over all processes.
        flop: floating point operations of the forward and backward passes, by `count_flop`.
        skipped: error of each photo that could not be read -> how often it was met.
    """

    seconds: float = 0.0
    steps: int = 0
    images: int = 0
    flop: float = 0.0
    skipped: dict[str, int] = field(default_factory=dict)

    def images_per_second(self) -> float:
        """Return the mean throughput, 0 before the first step."""
        return self.images / self.seconds if self.seconds else 0.0
