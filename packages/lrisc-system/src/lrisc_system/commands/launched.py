"""What `accelerate launch` starts: `-m lrisc_system.train` and `-m lrisc_system.evaluation`."""

from __future__ import annotations

import os
from typing import Annotated

import tyro
from rich.console import Console
from tyro.conf import arg

from lrisc_system.commands.models import describe_models, find_model, open_model
from lrisc_system.evaluation import EvaluateSettings, evaluate
from lrisc_system.training.failures import ending_in_one_line
from lrisc_system.training.launching import start_missing_processes
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.trainer import Trainer

TRAIN = """Train a model by the stages of Algorithm 1, in one process or in many.

`accelerate launch -q -m lrisc_system.train --help`, or `lrisc train --help` for one process.
"""
EVALUATE = """Compare links as in the paper's Section IV, over several processes.

`accelerate launch -m lrisc_system.evaluation --help`, or `lrisc evaluate --help` for one process.
"""


def train() -> None:
    """Train from the command line; a user's mistake ends in one line and exit code 2."""
    settings = tyro.cli(
        TrainSettings,
        prog="lrisc_system.train",
        description=f"{TRAIN}\n{describe_models()}",
        console_outputs=is_first(),
    )
    start_missing_processes("lrisc_system.train")
    with ending_in_one_line():
        Trainer(settings, find_model(settings.model)).run()


def evaluate_links() -> None:
    """Evaluate from the command line; a user's mistake ends in one line and exit code 2."""
    with ending_in_one_line():
        settings = tyro.cli(
            read_settings,
            prog="lrisc_system.evaluation",
            description=EVALUATE,
            console_outputs=is_first(),
        )
        start_missing_processes("lrisc_system.evaluation")
        evaluate(settings, console=Console(), open_model=open_model)


def read_settings(settings: Annotated[EvaluateSettings, arg(name="")]) -> EvaluateSettings:
    """Let a mistake among the options be reported as any other."""
    return settings


def is_first() -> bool:
    """Tell whether this is the first process of its machine, which speaks for all."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
