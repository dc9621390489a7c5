"""Errors in a user's own code, such as a decoder or a detector, told apart from ours."""

from __future__ import annotations

import os
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType

OWN_FOLDER = Path(__file__).parents[1]  # also of `python -m`, whose module has no name
TRACEBACK = "LRISC_TRACEBACK"
"""Name of the environment variable that asks for tracebacks."""

PACKAGES = frozenset(
    {
        "roi_saliency",
        "entropy_hyperprior",
        "jscc_ratetoken",
        "snr_modulation",
        "cond_diffusion",
        "lrisc_system",
    }
)


def wants_traceback() -> bool:
    """Tell whether the user asks for tracebacks: `LRISC_TRACEBACK=1`."""
    return os.environ.get(TRACEBACK, "0") not in ("", "0")


def find_user_line(trace: TracebackType | None) -> str | None:
    """Find the line of a user's code in which an error arose, below a call from ours.

    Code of this project, of the standard library and of installed packages is nobody's own.

    Args:
        trace: traceback of the error.

    Returns:
        `file:line`, the innermost; None if the error did not pass through such a line.
    """
    inside, found = False, None
    for frame, line in traceback.walk_tb(trace):
        file = Path(frame.f_code.co_filename)
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in PACKAGES or OWN_FOLDER in file.parents:
            inside = True
        elif inside and file.is_file() and not _is_installed(file):
            found = f"{file}:{line}"
    return found


def in_one_line(error: BaseException) -> str:
    """Name an error's type and the first line of its message."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _is_installed(file: Path) -> bool:
    paths = sysconfig.get_paths()
    folders = {Path(paths[key]).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    return not folders.isdisjoint(file.resolve().parents)
