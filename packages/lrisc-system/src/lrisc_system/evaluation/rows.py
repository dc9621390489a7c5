"""The rows of an evaluation on disk: each process appends to a file of its own, at once."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lrisc_system.evaluation.measure import Measurement
from lrisc_system.evaluation.settings import Point
from lrisc_system.storage.files import write_atomically

ROWS_FOLDER = "rows"
RESULTS_NAME = "results.csv"


@dataclass(frozen=True)
class Task:
    """One transmission.

    Args:
        link: name of the link.
        image: name of the image.
        point: channel and bandwidth.
        seed: which of the channel's draws.
    """

    link: str
    image: str
    point: Point
    seed: int


@dataclass(frozen=True)
class Row:
    """The result of one transmission.

    Args:
        task: the transmission.
        cbr: bandwidth that was used, side information included.
        delivered: whether all that was sent arrived.
        measurement: the figures of the image that arrived.
        seconds: duration of sending and receiving.
    """

    task: Task
    cbr: float
    delivered: bool
    measurement: Measurement
    seconds: float

    def columns(self) -> dict[str, object]:
        """Lay the row out as in `results.csv`."""
        task = self.task
        return {
            "link": task.link,
            "image": task.image,
            "snr_db": task.point.snr_db,
            "cbr_budget": task.point.cbr,
            "seed": task.seed,
            "cbr": self.cbr,
            "delivered": int(self.delivered),
            **asdict(self.measurement),
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Refusal:
    """A transmission that the link could not do, and why."""

    task: Task
    reason: str


class RowFile:
    """Append the results of one process to its file.

    Args:
        folder: of the evaluation.
        rank: of the process.
    """

    def __init__(self, folder: Path, *, rank: int) -> None:
        path = folder / ROWS_FOLDER / f"{rank}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a+b")
        self.file.seek(0)
        content = self.file.read()
        if content and not content.endswith(b"\n"):  # a killed process left half a line
            self.file.write(b"\n")

    def append(self, entry: Row | Refusal) -> None:
        """Write one line and flush it."""
        self.file.write((json.dumps(asdict(entry)) + "\n").encode())
        self.file.flush()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def read_rows(folder: Path) -> tuple[list[Row], list[Refusal]]:
    """Read the results of all processes of all starts; an incomplete line is skipped.

    Raises:
        ValueError: if a line is JSON, but not a result; the message names it.
    """
    rows: dict[Task, Row] = {}
    refusals: dict[Task, Refusal] = {}
    for path in sorted((folder / ROWS_FOLDER).glob("*.jsonl")):
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            try:
                values = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                continue
            try:
                entry = _entry(values)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path}, line {number}: expected a result of an evaluation, got {line:.80}"
                ) from error
            if isinstance(entry, Refusal):
                refusals[entry.task] = entry
            else:
                rows[entry.task] = entry
    return list(rows.values()), list(refusals.values())


def write_results(rows: Iterable[Row], folder: Path, *, links: Iterable[str]) -> None:
    """Write `results.csv`, in an order that no number of processes changes.

    Args:
        rows: of the evaluation.
        folder: of the evaluation.
        links: names in their order.
    """
    order = {name: position for position, name in enumerate(links)}

    def key(row: Row) -> tuple[int, str, float, float, int]:
        point = row.task.point
        return order[row.task.link], row.task.image, point.snr_db, point.cbr, row.task.seed

    write_table([row.columns() for row in sorted(rows, key=key)], folder / RESULTS_NAME)


def write_table(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """Write rows of equal columns as CSV; of no rows, an empty file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def _entry(values: Mapping[str, Any]) -> Row | Refusal:
    """Read what `RowFile.append` wrote.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: if it is something else.
    """
    stored = dict(values["task"])
    point = Point(**{name: float(number) for name, number in stored.pop("point").items()})
    task = Task(**{**stored, "point": point, "seed": int(stored["seed"])})
    if not isinstance(task.link, str) or not isinstance(task.image, str):
        raise TypeError
    if "reason" in values:
        return Refusal(task, str(values["reason"]))
    figures = {name: float(number) for name, number in values["measurement"].items()}
    return Row(
        task,
        cbr=float(values["cbr"]),
        delivered=bool(values["delivered"]),
        measurement=Measurement(**figures),
        seconds=float(values["seconds"]),
    )
