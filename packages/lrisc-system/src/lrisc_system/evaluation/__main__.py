"""The comparison of the paper's Section IV, over several processes.

`accelerate launch -m lrisc_system.evaluation --help`, or `lrisc evaluate --help` for one process.
"""

import os
from typing import Annotated

import tyro
from rich.console import Console
from tyro.conf import arg

from lrisc_system.evaluation.run import evaluate
from lrisc_system.evaluation.settings import EvaluateSettings
from lrisc_system.training.failures import ending_in_one_line
from lrisc_system.training.launching import start_missing_processes


def read_settings(settings: Annotated[EvaluateSettings, arg(name="")]) -> EvaluateSettings:
    """Let a mistake among the options be reported as any other."""
    return settings


def main() -> None:
    """Evaluate from the command line; a user's mistake ends in one line and exit code 2."""
    with ending_in_one_line():
        settings = tyro.cli(
            read_settings,
            prog="lrisc_system.evaluation",
            description=__doc__,
            console_outputs=os.environ.get("LOCAL_RANK", "0") == "0",
        )
        start_missing_processes("lrisc_system.evaluation")
        evaluate(settings, console=Console())


if __name__ == "__main__":
    main()
