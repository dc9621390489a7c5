"""`python -m lrisc_system.train`, and what `accelerate launch -q -m lrisc_system.train` starts."""

import sys

from lrisc_system.commands.training import train
from lrisc_system.options import read_options
from lrisc_system.training.failures import ending_in_one_line

MODULE = "lrisc_system.train"


def main() -> None:
    """Train from the command line; a user's mistake ends in one line and exit code 2."""
    with ending_in_one_line():
        run = read_options(train, prog=MODULE, arguments=sys.argv[1:])
        from lrisc_system.training.launching import start_missing_processes  # --help needs none

        start_missing_processes(MODULE)
        run()


if __name__ == "__main__":
    main()
