"""How a run stops: when a number breaks, and with which words."""

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
    """Where a micro-batch stood in the run, and what its random draws came from.

    Args:
        stage: name of the stage.
        step: of the stage.
        part: which micro-batch of the step.
        seed: of every random draw in it.
        photos: it showed.
    """

    stage: str
    step: int
    part: int
    seed: int
    photos: tuple[str, ...]


def stop_if_broken(term: str | None, batch: Batch, folder: Path) -> None:
    """Stop the run if a term is not finite, leaving `broken-batch.json` behind.

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
    """Let a user's mistake, or a number that broke, end the process in one line and exit code 2."""
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
    """Say in one line what went wrong, of an error that crossed a data loading process too."""
    last = str(error).splitlines()[-1] if str(error) else type(error).__name__
    return last.removeprefix(f"{type(error).__module__}.{type(error).__qualname__}: ")


def report(line: str) -> None:
    """Print why this process ends, or tell its launcher, if that collects the errors of all.

    `torchrun` and its kin do: they name a file for it, and report the first error. Without them,
    the processes of a machine speak one after another, for a launcher soon ends the others.
    """
    collected = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if collected is None:
        time.sleep(int(os.environ.get("LOCAL_RANK", 0)))
        print(line, file=sys.stderr)
    else:
        Path(collected).write_text(json.dumps({"message": line, "timestamp": int(time.time())}))
