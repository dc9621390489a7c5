"""The processes on CPUs that `accelerate launch` does not start by itself.

On GPUs, Accelerate's launcher starts all processes. With `--cpu` and without MPI it starts one a
machine, whatever `--num_processes` says, and passes the number to nobody. So the numbers are read
from the launcher's command line, and the processes are started as the launcher starts them on GPUs.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import psutil
from accelerate.commands.config.config_args import default_config_file, load_config_from_file
from accelerate.commands.launch import launch_command_parser
from accelerate.utils import str_to_bool
from torch.distributed import DistError
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from lrisc_system.training.failures import USER_ERROR
from lrisc_system.training.interruption import SIGNALLED, SIGNALS

LAUNCHERS = ("launch", "accelerate-launch", "accelerate.commands.launch", "launch.py")
STOPPED = {SIGNALLED + number for number in SIGNALS}
SHUTDOWN_SECONDS = 600  # for a checkpoint, after a signal
JOINING_SECONDS = 900  # until all machines are there
WATCH_SECONDS = 0.5


@dataclass(frozen=True)
class Group:
    """The processes that a launcher was asked for.

    Args:
        processes: over all machines.
        machines: number of machines.
        machine: number of this one, from 0.

    Raises:
        ValueError: if the machines cannot have the same number of processes each, or there is no
            machine of that number.
    """

    processes: int = 1
    machines: int = 1
    machine: int = 0

    def __post_init__(self) -> None:
        if self.processes < 1 or self.processes % self.machines:
            raise ValueError(
                "expected --num_processes, which counts those of all machines, to divide by "
                f"--num_machines {self.machines}, got {self.processes}"
            )
        if not 0 <= self.machine < self.machines:
            raise ValueError(
                f"expected --machine_rank in 0..{self.machines - 1}, got {self.machine}"
            )


def start_missing_processes(module: str) -> None:
    """If only one of several processes was started, start all of them, wait, and exit.

    Args:
        module: module to run, with the arguments of this process.

    Raises:
        ValueError: if the launcher's numbers do not fit together, or not all machines came.
    """
    launcher = psutil.Process().parent()
    group = None if launcher is None else read_group(launcher.cmdline())
    launches = is_alone(os.environ) and group is not None and group.processes > 1
    if group is not None or "TORCHELASTIC_RUN_ID" in os.environ:
        end_with_parent(launches=launches)
    if launches and group is not None:
        endpoint = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        sys.exit(launch(["-m", module, *sys.argv[1:]], group, endpoint=endpoint))


def launch(arguments: Sequence[str], group: Group, *, endpoint: str = "") -> int:
    """Run Python in this machine's processes of one group, and return one exit code.

    When one process fails, the others are ended, and its report is printed, or what the launcher
    knows of it if it made no report. A signal is passed on to all.

    Args:
        arguments: arguments of Python.
        group: all processes.
        endpoint: `address:port` of the first of several machines.

    Raises:
        ValueError: if the other machines do not come, or go.
    """
    one = group.machines == 1
    config = LaunchConfig(
        min_nodes=group.machines,
        max_nodes=group.machines,
        nproc_per_node=group.processes // group.machines,
        run_id=uuid.uuid4().hex if one else "lrisc",
        rdzv_backend="c10d" if one else "static",
        rdzv_endpoint="localhost:0" if one else endpoint,  # a free port
        rdzv_configs={} if one else {"rank": group.machine, "timeout": JOINING_SECONDS},
        max_restarts=0,
        **shutdown_options(),
    )
    logging.disable(logging.ERROR)  # what the launcher logs of a failure is in its report too
    try:
        elastic_launch(config, sys.executable)(*arguments)
    except SignalException as stop:
        return SIGNALLED + int(stop.sigval)
    except ChildFailedError as failed:
        _, first = failed.get_first_failure()
        if first.exitcode in STOPPED:
            return int(first.exitcode)
        mistake = first.exitcode == USER_ERROR
        print(first.message if mistake else failed, file=sys.stderr)
        return USER_ERROR if mistake else 1
    except DistError as error:
        lines = str(error).splitlines()
        raise ValueError(
            f"expected {group.machines} machines to join at {endpoint} and to stay: {lines[0]}"
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    return 0


def shutdown_options() -> dict[str, Any]:
    """Give the processes time to save after a signal, where this PyTorch can."""
    known = "shutdown_timeout" in LaunchConfig.__dataclass_fields__
    return {"shutdown_timeout": SHUTDOWN_SECONDS} if known else {}


def end_with_parent(*, launches: bool) -> None:
    """Send SIGTERM when the parent ends: a launcher that is ended does not always pass it on.

    Args:
        launches: whether this process launches others. Then these get the signal, once there are
            some, for a signal that this process has got already must not be followed by another.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        this = psutil.Process()
        for process in (this.children() if launches else []) or [this]:
            process.terminate()

    threading.Thread(target=watch, daemon=True).start()


def is_alone(environment: Mapping[str, str]) -> bool:
    """Say whether Accelerate's launcher was asked for processes on CPUs and started only one."""
    on_cpu = str_to_bool(environment.get("ACCELERATE_USE_CPU", "false"))
    return bool(on_cpu) and "MASTER_ADDR" in environment and "WORLD_SIZE" not in environment


def read_group(command: Sequence[str]) -> Group | None:
    """Read the processes from a command line of `accelerate launch`; None for any other.

    Args:
        command: such as `python accelerate launch --num_processes 2 --cpu -m module`.

    Raises:
        ValueError: if the numbers do not fit together.
    """
    for index, word in enumerate(command):
        if PurePath(word).name in LAUNCHERS:
            options = launch_command_parser().parse_args(list(command[index + 1 :]))
            return _group_of(vars(options))
    return None


def _group_of(options: Mapping[str, Any]) -> Group:
    """Read a group as the launcher does: its options come before those of a file."""
    file = options["config_file"]
    if file is None and not options["cpu"] and Path(default_config_file).is_file():
        file = default_config_file
    stored = {} if file is None else vars(load_config_from_file(file))

    def find(name: str, default: int) -> int:
        for values in (options, stored):
            if values.get(name) is not None:
                return int(values[name])
        return default

    return Group(find("num_processes", 1), find("num_machines", 1), find("machine_rank", 0))
