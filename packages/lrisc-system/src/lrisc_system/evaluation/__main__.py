"""The comparison of the paper's Section IV, over several processes.

`accelerate launch -m lrisc_system.evaluation --help`, or `lrisc evaluate --help` for one process.
"""

import sys
from typing import Annotated

from rich.console import Console
from tyro.conf import arg

from lrisc_system.evaluation.settings import EvaluateSettings
from lrisc_system.options import read_options
from lrisc_system.training.failures import ending_in_one_line

MODULE = "lrisc_system.evaluation"


def run(settings: Annotated[EvaluateSettings, arg(name="")]) -> None:
    """Evaluate by the settings that the options make."""
    from lrisc_system.evaluation.run import evaluate

    evaluate(settings, console=Console())


def main() -> None:
    """Evaluate from the command line; a user's mistake ends in one line and exit code 2."""
    with ending_in_one_line():
        start = read_options(run, prog=MODULE, arguments=sys.argv[1:], description=__doc__)
        from lrisc_system.training.launching import start_missing_processes  # --help needs none

        start_missing_processes(MODULE)
        start()


if __name__ == "__main__":
    main()
