"""Kill trainings at random steps and fill their disk: each must resume to the same bits.

Usage: python scripts/torture/runs.py [--kills 60] [--full-disks 20] [--seed 0]

Half of the kills hit a run of one process, half one of two. The exit code is 1 if a run ends with
other weights than an uninterrupted one, with a traceback, or with more than one line.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from lrisc_system.data.images import save_image
from lrisc_system.training.presets import RECIPES
from lrisc_system.training.state import list_states

HELPER = (
    Path(__file__).parents[2] / "packages/lrisc-system/tests/training/fork_trainings.py"
)  # forks trainings from one process that has imported PyTorch
STEPS_SCALE = 3.0
STEPS = [round(stage.steps * STEPS_SCALE) for stage in RECIPES["tiny"].stages]
KILLED, MISTAKE = -9, 2
LARGEST_FILE = 6_000_000  # bytes; the optimiser's of `tiny` has 4 MB


@dataclass(frozen=True)
class Outcome:
    """What a kind of trials gave.

    Args:
        name: of the kind.
        trials: how many were made.
        failures: a line for each that went wrong.
    """

    name: str
    trials: int
    failures: list[str]


class Trainings:
    """Trainings of the preset `tiny` on four photos, in forked processes.

    Args:
        folder: for photos and runs.
        helper: process that carries out orders.
    """

    def __init__(self, folder: Path, helper: subprocess.Popen[str]) -> None:
        self.folder, self.helper, self.photos = folder, helper, folder / "photos"
        self.photos.mkdir()
        generator = torch.Generator().manual_seed(0)
        for index in range(4):
            coarse = torch.rand(1, 3, 6, 6, generator=generator)
            image = torch.nn.functional.interpolate(coarse, size=(80, 72), mode="bicubic")
            save_image(image, self.photos / f"photo{index:02d}.png")

    def run(self, output: Path, *, processes: int, **order: object) -> tuple[list[int], str]:
        """Train or resume in `output`; returns the exit codes and what was printed."""
        log = output.with_suffix(".log")
        log.write_text("")
        settings = {
            "preset": "tiny",
            "data": str(self.photos),
            "output": str(output),
            "workers": 0,
            "save_every": 1,
            "validation_photos": 0,
            "steps_scale": STEPS_SCALE,
            "accumulate": 2 // processes,
            "resume": True,
        }
        order |= {"settings": settings, "processes": processes, "log": str(log)}
        assert self.helper.stdin is not None
        assert self.helper.stdout is not None
        self.helper.stdin.write(json.dumps(order) + "\n")
        self.helper.stdin.flush()
        return json.loads(self.helper.stdout.readline()), log.read_text()


@contextmanager
def open_trainings() -> Iterator[Trainings]:
    """Start the helper, and end it with its folder."""
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        helper = subprocess.Popen(
            [sys.executable, str(HELPER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            yield Trainings(Path(folder), helper)
        finally:
            assert helper.stdin is not None
            helper.stdin.close()
            helper.wait()


def weights_differ(output: Path, reference: Path) -> str | None:
    """Say which of the weights of a finished run differ; None if they are the same bits."""
    path = output / "model" / "model.safetensors"
    if not path.exists():
        return "no model was written"
    expected = load_file(reference / "model" / "model.safetensors")
    got = load_file(path)
    if expected.keys() != got.keys():
        return "other tensors"
    differing = [name for name in expected if not torch.equal(got[name], expected[name])]
    return f"{len(differing)} tensors differ, {differing[0]} first" if differing else None


def kill(
    trainings: Trainings, reference: Path, *, count: int, processes: int, seed: int
) -> Outcome:
    """Kill a run `count` times at rising random steps, in every third case while it writes.

    Args:
        trainings: makes the runs.
        reference: folder of an uninterrupted run of as many processes.
        count: number of kills.
        processes: of the run.
        seed: of the steps.
    """
    draw = random.Random(seed)
    places = [(stage, step) for stage, steps in enumerate(STEPS) for step in range(1, steps)]
    chosen = sorted(draw.sample(places, min(count, len(places))))
    output, failures = trainings.folder / f"killed-{processes}", []
    for index, (stage, step) in enumerate(chosen):
        place = f"stage{stage}-step{step:07d}"
        order = {"place": place, "writing": index % 3 == 2}
        codes, log = trainings.run(output, processes=processes, kill=order)
        if KILLED not in codes:
            failures.append(f"{order}: expected a kill, got exit codes {codes}: {log[-300:]}")
    codes, log = trainings.run(output, processes=processes)
    wrong = weights_differ(output, reference)
    if codes != [0] * processes or wrong is not None:
        failures.append(f"after {len(chosen)} kills: exit codes {codes}, {wrong}: {log[-300:]}")
    return Outcome(f"kills, {processes} process(es)", len(chosen), failures)


def fill_disk(trainings: Trainings, reference: Path, *, count: int, seed: int) -> Outcome:
    """Resume a run near its end with a limit on file sizes, then without one.

    Args:
        trainings: makes the runs.
        reference: folder of an uninterrupted run of which checkpoints are kept.
        count: number of limits.
        seed: of the limits, which are uniform in their logarithm.
    """
    draw, failures = random.Random(seed), []
    newest = list_states(reference / "checkpoints")[-2:]
    for index in range(count):
        limit = round(100 * (LARGEST_FILE / 100) ** draw.random())
        start = newest[index % 2]  # a step is left, or only the finished model is
        output = trainings.folder / f"full-{index}"
        shutil.copytree(start, output / "checkpoints" / start.name)
        codes, log = trainings.run(output, processes=1, file_size_limit=limit)
        lines = [line for line in log.splitlines() if line.startswith("lrisc: ")]
        clean = codes == [0] or (codes == [MISTAKE] and len(lines) == 1)
        if not clean or "Traceback" in log:
            failures.append(f"{limit} bytes: exit codes {codes}: {log[-300:]}")
        codes, log = trainings.run(output, processes=1)
        wrong = weights_differ(output, reference)
        if codes != [0] or wrong is not None:
            failures.append(f"after {limit} bytes: exit codes {codes}, {wrong}: {log[-300:]}")
        shutil.rmtree(output)
    return Outcome("full disks", count, failures)


def torture_runs(*, kills: int, full_disks: int, seed: int) -> list[Outcome]:
    """Make all trials of this file.

    Args:
        kills: of runs of one and of two processes together.
        full_disks: of runs of one process.
        seed: of all random choices.
    """
    with open_trainings() as trainings:
        outcomes = []
        for processes, count in ((1, kills - kills // 2), (2, kills // 2)):
            reference = trainings.folder / f"reference-{processes}"
            codes, log = trainings.run(reference, processes=processes)
            if codes != [0] * processes:
                line = f"exit codes {codes}: {log[-300:]}"
                return [Outcome(f"uninterrupted, {processes} process(es)", 1, [line])]
            outcomes.append(
                kill(trainings, reference, count=count, processes=processes, seed=seed + processes)
            )
        one = trainings.folder / "reference-1"
        return [*outcomes, fill_disk(trainings, one, count=full_disks, seed=seed)]


def main() -> None:
    """Print a line for each kind of trials, and one for each failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--full-disks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begun = time.monotonic()
    outcomes = torture_runs(**vars(options))
    for outcome in outcomes:
        print(f"{outcome.name}: {outcome.trials} tried, {len(outcome.failures)} failed")
        for failure in outcome.failures:
            print(f"  {failure}")
    print(f"{time.monotonic() - begun:.0f} s")
    sys.exit(any(outcome.failures for outcome in outcomes))


if __name__ == "__main__":
    main()
