"""Outputs of commands, checked before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def check_output(
    path: Path, *, sources: Iterable[Path | None] = (), suffixes: Iterable[str] = ()
) -> None:
    """Check that a file can be written, and that no source is lost by that.

    Args:
        path: file to write.
        sources: files that the command reads.
        suffixes: the ones that the file may have; any by default.

    Raises:
        ValueError: if the file is a source, or has another suffix.
        OSError: if its folder is missing, or it cannot be written.
    """
    expected = list(suffixes)
    if expected and path.suffix.lower() not in expected:
        raise ValueError(f"{path}: expected a suffix of {', '.join(expected)}, got {path.suffix!r}")
    target = _resolve(path)
    if target.exists() and not target.is_file():
        raise OSError(f"expected a file to write, got {path}, which is a folder or a device")
    for source in sources:
        if source is not None and source.exists() and target.exists() and target.samefile(source):
            raise ValueError(f"expected another file to write than the source, got {path} for both")
    if not target.parent.is_dir():
        raise OSError(f"expected an existing folder for {path}, got none at {target.parent}")
    check_writable(target.parent)


def check_output_folder(path: Path) -> None:
    """Check that a folder is there and can be written to, or that it can be made.

    Raises:
        OSError: if it is a file, or cannot be written.
    """
    target = _resolve(path)
    if target.exists() and not target.is_dir():
        raise OSError(f"expected a folder to write to, got the file {path}")
    check_writable(next(folder for folder in (target, *target.parents) if folder.exists()))


def check_writable(folder: Path) -> None:
    """Check that this user may write to a folder.

    Raises:
        OSError: otherwise.
    """
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise OSError(f"expected a folder to write to, got {folder}, which is not writable")


def _resolve(path: Path) -> Path:
    try:
        return path.resolve()
    except RuntimeError as error:  # Python before 3.13 says so; later ones stop at the loop
        raise OSError(f"expected a path to write to, got {path}, a loop of links") from error
