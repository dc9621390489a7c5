"""How a command stops on an error: one line of text and an exit code."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lrisc_system.storage.files import write_atomically

BROKEN_NAME = "broken-batch.json"
USER_ERROR = 2
GRACE_SECONDS = 5.0


class TrainingError(RuntimeError):
    """Training cannot go on; the message says where it stopped and why."""


@dataclass(frozen=True)
class Batch:
    """Identity of a micro-batch: its position in the run, its seed and its photos.

    Args:
        stage: name of the stage.
        step: step of the stage.
        part: number of the micro-batch in the step.
        seed: seed of every random draw in it.
        photos: names of its photos.
    """

    stage: str
    step: int
    part: int
    seed: int
    photos: tuple[str, ...]


def stop_if_broken(term: str | None, batch: Batch, folder: Path) -> None:
    """Stop the run if a loss term is not finite, and write `broken-batch.json`.

    Raises:
        TrainingError: if `term` names one.
    """
    if term is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / BROKEN_NAME
    write_atomically(path, (json.dumps({"term": term, **asdict(batch)}, indent=1) + "\n").encode())
    raise TrainingError(
        f"{term} is not finite in stage {batch.stage}, step {batch.step}, seed {batch.seed}: "
        f"see {path}"
    )


@contextmanager
def ending_in_one_line() -> Iterator[None]:
    """On a user's mistake or a value that is not finite, print one line and exit with code 2."""
    try:
        yield
    except (ValueError, OSError, ImportError, TrainingError) as error:
        report(f"lrisc: {describe(error)}")
        sys.exit(USER_ERROR)
    except RuntimeError:
        if "LOCAL_RANK" in os.environ:  # perhaps another process has ended, and the launcher
            time.sleep(GRACE_SECONDS)  # will end this one, which has nothing to say then
        raise


def describe(error: Exception) -> str:
    """Describe an error in one line, also one from a data loading process."""
    lines = str(error).splitlines() or [type(error).__name__]
    if not lines[0].startswith("Caught "):  # DataLoader's own words, before a traceback
        return lines[0]
    return lines[-1].removeprefix(f"{type(error).__module__}.{type(error).__qualname__}: ")


def report(line: str) -> None:
    """Print the error of this process, or write it to the file that the launcher collects.

    `torchrun` and similar launchers name such a file, and report the first error. Without one, the
    processes of a machine print one after another; the launcher ends the others after the first.
    """
    collected = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if collected is None:
        time.sleep(int(os.environ.get("LOCAL_RANK", 0)))
        print(line, file=sys.stderr)
    else:
        Path(collected).write_text(json.dumps({"message": line, "timestamp": int(time.time())}))
