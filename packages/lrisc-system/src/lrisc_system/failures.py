"""How a run stops when a number breaks."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lrisc_system.files import write_atomically

BROKEN_NAME = "broken-batch.json"


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
