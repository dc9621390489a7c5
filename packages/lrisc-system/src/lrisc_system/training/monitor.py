"""The display and the record of a run: a progress bar, the curves on disk, and the trackers."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from lrisc_system.data.images import save_image
from lrisc_system.storage.files import write_atomically
from lrisc_system.training.progress import Position, RunTotals
from lrisc_system.training.recipes import Stage
from lrisc_system.training.trackers import Trackers
from lrisc_system.training.validation import Validation, describe_validation

CURVES_NAME = "curves.jsonl"
PICTURES_NAME = "pictures"
PLAIN_SECONDS = 60.0  # between two lines where there is no terminal to draw a bar on


class Monitor:
    """Show and record a run. Only the main process shows and writes anything.

    Args:
        output: folder of the run, for `curves.jsonl` and the picture grids.
        stages: stages of the run.
        trackers: trackers that get the same figures.
        visible: whether this is the main process.
        record_every: steps between two lines of the curves.
    """

    def __init__(
        self,
        output: Path,
        *,
        stages: Sequence[Stage],
        trackers: Trackers,
        visible: bool,
        record_every: int = 10,
    ) -> None:
        self.output, self.visible, self.record_every = output, visible, record_every
        self.stages, self.trackers = stages, trackers
        self.console = Console(quiet=not visible)
        self.progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            # On a narrow terminal the figures take several lines; nothing is cut off.
            TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=False)),
            console=self.console,
        )
        self.past = RunTotals()
        self.skipped_photos: Counter[str] = Counter()
        self.begun = self.started = time.monotonic()
        self.waited, self.steps, self.images, self.flop = 0.0, 0, 0, 0.0
        self.said = time.monotonic()

    def __enter__(self) -> Monitor:
        self.progress.start()
        self.begun = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.progress.stop()
        self.trackers.finish()

    def resume(self, position: Position, totals: RunTotals) -> None:
        """Continue from the totals of a checkpoint, and delete the curves after its position."""
        self.past = totals
        if not self.visible:
            return
        (self.output / PICTURES_NAME).mkdir(parents=True, exist_ok=True)
        order = {stage.name: index for index, stage in enumerate(self.stages)}
        curves = self.output / CURVES_NAME
        if curves.exists():
            lines = [
                line
                for line in read_curves(self.output)
                if (order.get(str(line["stage"]), 0), line["step"])
                <= (position.stage, position.step)
            ]
            write_atomically(curves, "".join(json.dumps(line) + "\n" for line in lines).encode())

    def totals(self, skipped_photos: Sequence[Counter[str]]) -> RunTotals:
        """Return the totals of the run so far.

        Args:
            skipped_photos: errors of the photos that each process skipped since the last resume.
        """
        return RunTotals(
            seconds=self.seconds(),
            steps=self.past.steps + self.steps,
            images=self.past.images + self.images,
            flop=self.past.flop + self.flop,
            skipped=dict(sum(skipped_photos, Counter(self.past.skipped))),
        )

    def seconds(self) -> float:
        """Return the time in training so far, over all resumes."""
        return self.past.seconds + time.monotonic() - self.begun

    def start_stage(
        self, stage: Stage, first_step: int, *, last_step: int | None, flop_per_image: float
    ) -> None:
        """Open the progress bar of a stage and start its clocks.

        Args:
            stage: the stage.
            first_step: first step to take.
            last_step: step to stop before, if it is known.
            flop_per_image: floating point operations of a step for each image.
        """
        self.flop_per_image = flop_per_image
        self.task = self.progress.add_task(
            stage.name, total=last_step, completed=first_step, figures=""
        )
        self.waited, self.started, self.first_step = 0.0, time.monotonic(), first_step

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time in this context as waiting for data."""
        begun = time.monotonic()
        yield
        self.waited += time.monotonic() - begun

    def say(self, line: str) -> None:
        """Print one line as it is, without a break at the width of the terminal."""
        self.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def skipped(self, lines: Sequence[str]) -> None:
        """Count photos that could not be read; print each error once."""
        for line in lines:
            if line not in self.skipped_photos:
                self.say(f"skipped: {line}")
            self.skipped_photos[line] += 1

    def name_skipped(self, skipped: Mapping[str, int]) -> None:
        """Print how many photos all processes skipped in the whole run, and which."""
        if skipped:
            self.say(f"{len(skipped)} photos could not be read and were skipped:")
            for line in sorted(skipped):
                self.say(f"  {line}")

    def step(
        self, stage: Stage, done: int, terms: dict[str, float], *, rate: float, last: bool
    ) -> int:
        """Show the loss terms of a step and record those of every tenth.

        Args:
            stage: stage of the step.
            done: steps done in the stage, this one included.
            terms: name of a loss term -> mean over the step's micro-batches.
            rate: learning rate of the step.
            last: whether the stage ends with this step.

        Returns:
            The steps done in the whole run.
        """
        self.steps += 1
        self.images += stage.batch_size
        self.flop += stage.batch_size * self.flop_per_image
        run_step = self.past.steps + self.steps
        seconds = time.monotonic() - self.started
        per_second = (done - self.first_step) * stage.batch_size / seconds
        values = dict(terms)
        waiting = self.waited / seconds
        figures = " ".join(f"{name} {value:.4f}" for name, value in values.items())
        figures = f"{per_second:.1f} images/s, {waiting:.0%} waiting for data, {figures}"
        self.progress.update(self.task, completed=done, figures=figures)
        if not self.console.is_terminal and time.monotonic() - self.said >= PLAIN_SECONDS:
            self.said = time.monotonic()
            self.say(f"{stage.name} {done}: {figures}")
        if done % self.record_every == 0 or last:
            values |= {
                "learning_rate": rate,
                "seconds": self.seconds(),
                "images_per_second": per_second,
                "waiting": waiting,
            }
            self._record({"stage": stage.name, "step": done, **values})
            self.trackers.scalars({f"train/{k}": v for k, v in values.items()}, step=run_step)
        return run_step

    def validation(self, stage: Stage, done: int, figures: Validation) -> None:
        """Show and record a validation, with a picture grid."""
        values = figures.figures()
        self.console.print(f"{stage.name} {done}: {describe_validation(values)}")
        self._record({"stage": stage.name, "step": done, "validation": values})
        grid = figures.grid()
        save_image(grid, self.output / PICTURES_NAME / f"{stage.name}-{done:06d}.png")
        step = self.past.steps + self.steps
        self.trackers.scalars({f"validation/{k}": v for k, v in values.items()}, step=step)
        self.trackers.picture("sent above, received below", grid, step=step)

    def _record(self, values: dict[str, object]) -> None:
        if self.visible:
            with (self.output / CURVES_NAME).open("a") as curves:
                curves.write(json.dumps(values) + "\n")


def read_curves(output: Path) -> list[dict[str, object]]:
    """Read the curves of a run, without a line that a killed process left incomplete.

    Raises:
        ValueError: if a line is JSON, but none of the curves; the message names it.
    """
    path = output / CURVES_NAME
    found = []
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], start=1):
        try:
            values = json.loads(line)
        except json.JSONDecodeError:
            continue
        known = isinstance(values, dict) and isinstance(values.get("stage"), str)
        if not known or type(values.get("step")) is not int:
            raise ValueError(f"{path}, line {number}: expected a stage and a step, got {line:.80}")
        found.append(values)
    return found
