"""The processes on CPUs that `accelerate launch` does not start by itself.

On GPUs, Accelerate's launcher starts all processes. With `--cpu` and without MPI it starts one,
whatever `--num_processes` says, and passes the number to nobody. So the number is read from the
launcher's command line, and the processes are started as the launcher starts them on GPUs.
"""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import psutil
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser
from accelerate.utils import str_to_bool
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from lrisc_system.training.failures import USER_ERROR

LAUNCHERS = ("launch", "accelerate-launch", "accelerate.commands.launch", "launch.py")


def start_missing_processes(module: str) -> None:
    """If only one of several processes was started, start all of them, wait, and exit.

    Args:
        module: module to run, with the arguments of this process.
    """
    if not is_alone(os.environ):
        return
    launcher = psutil.Process().parent()
    count = 1 if launcher is None else processes_asked(launcher.cmdline())
    if count > 1:
        sys.exit(launch(["-m", module, *sys.argv[1:]], count))


def launch(arguments: Sequence[str], count: int) -> int:
    """Run Python in `count` processes of one group, and return one exit code.

    When one process fails, the others are ended, and its report is printed, or what the launcher
    knows of it if it made no report.

    Args:
        arguments: arguments of Python.
        count: number of processes.
    """
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",  # a free port
        max_restarts=0,
    )
    logging.disable(logging.ERROR)  # what the launcher logs of a failure is in its report too
    try:
        elastic_launch(config, sys.executable)(*arguments)
    except ChildFailedError as failed:
        _, first = failed.get_first_failure()
        mistake = first.exitcode == USER_ERROR
        print(first.message if mistake else failed, file=sys.stderr)
        return USER_ERROR if mistake else 1
    finally:
        logging.disable(logging.NOTSET)
    return 0


def is_alone(environment: Mapping[str, str]) -> bool:
    """Say whether Accelerate's launcher was asked for processes on CPUs and started only one."""
    on_cpu = str_to_bool(environment.get("ACCELERATE_USE_CPU", "false"))
    return bool(on_cpu) and "MASTER_ADDR" in environment and "WORLD_SIZE" not in environment


def processes_asked(command: Sequence[str]) -> int:
    """Read the number of processes from a command line of `accelerate launch`; 1 for any other.

    Args:
        command: such as `python accelerate launch --num_processes 2 --cpu -m module`.
    """
    for index, word in enumerate(command):
        if PurePath(word).name in LAUNCHERS:
            options = launch_command_parser().parse_args(list(command[index + 1 :]))
            if options.num_processes is None and options.config_file is not None:
                return int(load_config_from_file(options.config_file).num_processes)
            return options.num_processes or 1
    return 1
