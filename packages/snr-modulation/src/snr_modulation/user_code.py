"""Code that a user names as module:name: how it is imported, and how its errors are reported."""

import importlib
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Any

OWN_FOLDER = Path(__file__).parent


def load_callable(name: str) -> Any:
    """Import ``module:name``; the module may be in the current folder, as for ``python -m``.

    Raises:
        ValueError: if there is no such module or no such callable in it, or its import fails.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ValueError(f"expected module:name, got {name}")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        raise ValueError(f"expected a module {module_name}: {describe_error(error)}") from error
    found = getattr(module, attribute, None)
    if not callable(found):
        raise ValueError(f"expected a callable {attribute} in {module_name}, got {found!r}")
    return found


def describe_error(error: BaseException) -> str:
    """Name an error's type, the first line of its message, and the line of the user's code.

    That line is the innermost one that is neither of this package nor of an installed one.
    """
    message = (str(error).splitlines() or [""])[0]
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{f.filename}:{f.lineno}" for f in frames if _is_users(Path(f.filename))]
    return f"{text} (at {places[-1]})" if places else text


def _is_users(file: Path) -> bool:
    paths = sysconfig.get_paths()
    folders = {Path(paths[key]).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    above = file.resolve().parents
    return file.is_file() and OWN_FOLDER not in above and folders.isdisjoint(above)
