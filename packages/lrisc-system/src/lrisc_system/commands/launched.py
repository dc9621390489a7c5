"""Commands that `accelerate launch -m` may start in several processes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from lrisc_system.options import read_options
from lrisc_system.training.failures import ending_in_one_line


def run_launched(command: Callable[..., None], *, module: str) -> None:
    """Run a command of the command line; a user's mistake ends in one line and exit code 2.

    Args:
        command: its signature and its docstring are the options and their help.
        module: what `python -m` names, to start the processes that the launcher did not.
    """
    with ending_in_one_line():
        run = read_options(command, prog=module, arguments=sys.argv[1:])
        from lrisc_system.training.launching import start_missing_processes  # --help needs none

        start_missing_processes(module)
        run()
