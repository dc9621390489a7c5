"""JSON from outside: what is too large, too deep or not finite is a ValueError like all else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MAX_BYTES = 1 << 26  # of a JSON file; run cards grow with the curves of the run


def read_json(path: Path, *, max_bytes: int = MAX_BYTES) -> Any:
    """Read a JSON file.

    Args:
        path: of the file.
        max_bytes: size that is refused if the file is larger.

    Raises:
        OSError: if the file is missing or cannot be read.
        ValueError: if it is no JSON, no regular file, or too large.
    """
    return parse_json(read_text(path, max_bytes=max_bytes))


def read_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """Read a text file in UTF-8.

    Raises:
        OSError: if the file is missing or cannot be read.
        ValueError: if it is not UTF-8, no regular file, or larger than `max_bytes`.
    """
    size = path.stat().st_size
    if not path.is_file():
        raise ValueError("expected a file, got a folder or a device")
    if size > max_bytes:
        raise ValueError(f"expected a file of at most {max_bytes} bytes, got {size}")
    return path.read_text(encoding="utf-8")


def parse_json(text: str) -> Any:
    """Parse JSON, strictly: NaN and Infinity are no JSON.

    Raises:
        ValueError: if the text is no JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("expected JSON of fewer levels") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"expected finite numbers, got {name}")
