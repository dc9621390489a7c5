"""What a person sees of a run: a progress bar, and the curves on disk."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from lrisc_system.images import save_image
from lrisc_system.objective import LossTerms
from lrisc_system.stages import Stage
from lrisc_system.validation import Validation

CURVES_NAME = "curves.jsonl"
PICTURES_NAME = "pictures"


class Monitor:
    """Show and record a run; on every process but the main one it stays silent.

    Args:
        output: folder of the run; `curves.jsonl` and the picture grids go there.
        visible: whether this process shows and writes anything.
        record_every: steps between two lines of the curves.
    """

    def __init__(self, output: Path, *, visible: bool, record_every: int = 10) -> None:
        self.output, self.visible, self.record_every = output, visible, record_every
        self.console = Console(quiet=not visible)
        self.progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
        )
        self.skipped_photos: Counter[str] = Counter()
        self.waited = 0.0
        self.started = time.monotonic()
        if visible:
            (output / PICTURES_NAME).mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Monitor:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def start_stage(self, stage: Stage, first_step: int) -> None:
        """Open a stage's progress bar and start its clocks."""
        self.task = self.progress.add_task(
            stage.name, total=stage.steps, completed=first_step, figures=""
        )
        self.waited, self.started, self.first_step = 0.0, time.monotonic(), first_step

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time inside as waiting for data."""
        begun = time.monotonic()
        yield
        self.waited += time.monotonic() - begun

    def skipped(self, lines: tuple[str, ...]) -> None:
        """Name a photo that could not be read, once, and count it."""
        for line in lines:
            if line not in self.skipped_photos:
                self.console.print(f"skipped: {line}")
            self.skipped_photos[line] += 1

    def step(self, stage: Stage, done: int, terms: LossTerms, *, rate: float) -> None:
        """Show a step's loss terms, and record every tenth."""
        seconds = time.monotonic() - self.started
        per_second = (done - self.first_step) * stage.batch_size / seconds
        values = {name: value.item() for name, value in vars(terms).items()}
        share = self.waited / seconds
        figures = " ".join(f"{name} {value:.4f}" for name, value in values.items())
        self.progress.update(
            self.task,
            completed=done,
            figures=f"{figures}  {per_second:.1f} images/s, {share:.0%} waiting for data",
        )
        if done % self.record_every == 0:
            self._record(
                stage=stage.name,
                step=done,
                learning_rate=rate,
                images_per_second=per_second,
                waiting=share,
                **values,
            )

    def validation(self, stage: Stage, done: int, figures: Validation) -> None:
        """Show and record a validation, with a picture grid."""
        values = {k: v for k, v in asdict(figures).items() if k != "images"}
        self.console.print(
            f"{stage.name} {done}: {figures.psnr:.2f} dB, LPIPS {figures.lpips:.3f} at CBR "
            f"{figures.cbr:.4f}, {figures.snr_db:g} dB"
        )
        self._record(stage=stage.name, step=done, validation=values)
        row = figures.images.permute(1, 2, 0, 3).flatten(2)[None]  # (n, 3, S, S) -> (1, 3, S, nS)
        save_image(row, self.output / PICTURES_NAME / f"{stage.name}-{done:06d}.png")

    def _record(self, **values: object) -> None:
        if self.visible:
            with (self.output / CURVES_NAME).open("a") as curves:
                curves.write(json.dumps(values) + "\n")
