"""How a command stops on an error: one line of text and an exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lrisc_system.storage.files import write_atomically
from lrisc_system.training.interruption import Stopped, raising_stopped
from lrisc_system.training.user_code import (
    TRACEBACK,
    find_user_line,
    in_one_line,
    wants_traceback,
)

BROKEN_NAME = "broken-batch.json"
USER_ERROR = 2
GRACE_SECONDS = 5.0


class TrainingError(RuntimeError):
    """Training cannot go on; the message says where it stopped and why."""


MISTAKES = (ValueError, OSError, ImportError, TrainingError)
"""Errors of a user, of the data or of the disk: their message is enough."""


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
    """End a command that fails by a mistake, by lack of memory or by a signal in one line.

    The exit code is 2, or 128 plus the number of the signal. Errors of our own code, if it is
    wrong, keep their traceback. With `LRISC_TRACEBACK=1` all errors do.
    """
    try:
        with raising_stopped():
            yield
    except KeyboardInterrupt as interrupt:
        stop = interrupt if isinstance(interrupt, Stopped) else Stopped(signal.SIGINT)
        if os.environ.get("RANK", "0") == "0":
            print(f"lrisc: {stop}", file=sys.stderr)
        sys.exit(stop.exit_code)
    except Exception as error:
        if wants_traceback():
            raise
        line = _explain(error)
        if line is None:
            raise
        report(f"lrisc: {line}")
        sys.exit(USER_ERROR)


def _explain(error: Exception) -> str | None:
    """Describe in one line an error that is not ours; None for any other."""
    trace = error.__traceback__
    place = find_user_line(None if trace is None else trace.tb_next)  # below the command
    if isinstance(error, MISTAKES):
        return describe(error) if place is None else f"{describe(error)} (at {place})"
    if is_out_of_memory(error):
        return f"the memory is full: {describe(error)}"
    if isinstance(error, RuntimeError) and "LOCAL_RANK" in os.environ:
        time.sleep(GRACE_SECONDS)  # perhaps another process has ended, and the launcher ends this
        if is_connection_lost(error):
            return "another process of this run has ended, on this machine or another one"
    if place is None:
        return None
    return f"{in_one_line(error)} (at {place}; {TRACEBACK}=1 prints the traceback)"


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an error is that of an allocator, which PyTorch raises as RuntimeError."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in str(error) for words in ("can't allocate memory", "out of memory"))
    )


def is_connection_lost(error: Exception) -> bool:
    """Tell whether an error is that of a process whose peer has ended."""
    return type(error).__name__.startswith("Dist") or any(
        words in str(error) for words in ("Connection closed by peer", "Connection reset by peer")
    )


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
