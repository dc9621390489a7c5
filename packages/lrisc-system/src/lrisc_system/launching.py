"""As many processes on CPUs as `accelerate launch` was asked for.

On GPUs Accelerate's launcher starts them. With `--cpu` it starts one, whatever `--num_processes`
says, unless MPI is there; and the number is passed on nowhere. So it is read from the launcher's
own command line, and the processes are started as the launcher does it on GPUs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import psutil
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser
from accelerate.utils import str_to_bool

LAUNCHERS = ("launch", "accelerate-launch", "accelerate.commands.launch", "launch.py")


def start_missing_processes(module: str) -> None:
    """Become the launcher of all processes, if only one of several was started.

    Args:
        module: to run, with this process's arguments.
    """
    if not is_alone(os.environ):
        return
    launcher = psutil.Process().parent()
    count = 1 if launcher is None else processes_asked(launcher.cmdline())
    if count > 1:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc_per_node", str(count), "-m", module, *sys.argv[1:]]
        os.execv(sys.executable, command)


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
