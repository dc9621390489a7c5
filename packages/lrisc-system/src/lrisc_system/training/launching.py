"""As many processes on CPUs as `accelerate launch` was asked for.

On GPUs Accelerate's launcher starts them. With `--cpu` it starts one, whatever `--num_processes`
says, unless MPI is there; and the number is passed on nowhere. So it is read from the launcher's
own command line, and the processes are started as the launcher does it on GPUs.
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
    """Become the launcher of all processes, if only one of several was started, and end with them.

    Args:
        module: to run, with this process's arguments.
    """
    if not is_alone(os.environ):
        return
    launcher = psutil.Process().parent()
    count = 1 if launcher is None else processes_asked(launcher.cmdline())
    if count > 1:
        sys.exit(launch(["-m", module, *sys.argv[1:]], count))


def launch(arguments: Sequence[str], count: int) -> int:
    """Run Python in `count` processes that find one another; return an exit code for all.

    As soon as one fails, the others are ended. What it reported is all that is printed; if it
    reported nothing, then all that is known of it.

    Args:
        arguments: of Python.
        count: of processes.
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
    """Tell whether Accelerate's launcher spoke of several processes on CPUs and started one."""
    on_cpu = str_to_bool(environment.get("ACCELERATE_USE_CPU", "false"))
    return bool(on_cpu) and "MASTER_ADDR" in environment and "WORLD_SIZE" not in environment


def processes_asked(command: Sequence[str]) -> int:
    """Read the number of processes from the command line of `accelerate launch`; 1 if it is other.

    Args:
        command: such as `python accelerate launch --num_processes 2 --cpu -m module`.
    """
    for place, word in enumerate(command):
        if PurePath(word).name in LAUNCHERS:
            options = launch_command_parser().parse_args(list(command[place + 1 :]))
            if options.num_processes is None and options.config_file is not None:
                return int(load_config_from_file(options.config_file).num_processes)
            return options.num_processes or 1
    return 1
