"""Train in forked processes that can be killed at a chosen point; a helper of the tests.

It imports PyTorch once, then reads one order per line (JSON) and answers with the exit codes of
the processes that carried it out. A process killed by signal 9 answers -9.

    {"settings": {...}, "processes": 2, "kill": {"place": "stage1-step0000001", "writing": false}}
    {"settings": {...}, "processes": 2, "signal": {"place": "stage1-step0000001", "number": 15}}
"""

import gc
import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path

import torch
from accelerate import Accelerator, FullyShardedDataParallelPlugin, PartialState
from accelerate.utils import DistributedType
from torch.utils.flop_counter import FlopCounterMode

from lrisc_system.commands.models import find_model
from lrisc_system.training import setup, state, trainer
from lrisc_system.training.failures import ending_in_one_line
from lrisc_system.training.launching import STOPPED
from lrisc_system.training.settings import TrainSettings


def main() -> None:
    with FlopCounterMode(display=False):  # its first use imports modules, which takes seconds
        torch.ones(2, 2) @ torch.ones(2, 2)
    gc.collect()
    gc.freeze()  # collections in the forked processes stay short
    for line in sys.stdin:
        print(json.dumps(carry_out(json.loads(line))), flush=True)


def carry_out(order: dict) -> list[int]:
    world = order["processes"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(world):
        child = os.fork()
        if child == 0:
            take_part(order, rank=rank, world=world, port=port)
        children.append(child)
    codes = {}
    while len(codes) < world:
        child, status = os.waitpid(-1, 0)
        codes[child] = os.waitstatus_to_exitcode(status)
        if codes[child] not in (0, *STOPPED):  # a launcher ends the others too
            for other in set(children) - set(codes):
                os.kill(other, signal.SIGKILL)
    return [codes[child] for child in children]


def take_part(order: dict, *, rank: int, world: int, port: int) -> None:
    output = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ["ACCELERATE_USE_CPU"] = "true"
    if world > 1:
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
    if "kill" in order and rank == 0:  # the one that writes checkpoints
        die_at(**order["kill"])
    if "signal" in order and rank == world - 1:  # one gets it, and all must stop
        signal_at(**order["signal"])
    if "file_size_limit" in order:
        limit = order["file_size_limit"]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if order.get("fsdp"):
        shard()
    paths = {"data", "output", "masks", "recipe"}
    settings = TrainSettings(
        **{k: Path(v) if k in paths else v for k, v in order["settings"].items()}
    )
    try:
        with ending_in_one_line():
            trainer.Trainer(settings, find_model(settings.model)).run()
    except SystemExit as stop:
        os._exit(stop.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def shard() -> None:
    """Let Accelerate shard by FSDP2 on CPUs, which it offers on GPUs only."""

    def start(**options):
        accelerator = Accelerator(**options)
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2,
            auto_wrap_policy="transformer_based_wrap",
            transformer_cls_names_to_wrap=["Unit"],
            cpu_ram_efficient_loading=False,
        )
        if accelerator.mixed_precision != "no":
            plugin.set_mixed_precision(accelerator.mixed_precision)
        accelerator.state._shared_state["fsdp_plugin"] = plugin
        accelerator.state._shared_state["distributed_type"] = DistributedType.FSDP
        PartialState._shared_state["distributed_type"] = DistributedType.FSDP
        return accelerator

    setup.Accelerator = start


def signal_at(place: str, number: int) -> None:
    """Get a signal just before the step after a place."""
    step = trainer.take_step

    def step_after_signal(*arguments, position, **rest):
        if str(position) == place:
            os.kill(os.getpid(), number)
        return step(*arguments, position=position, **rest)

    trainer.take_step = step_after_signal


def die_at(place: str, writing: bool) -> None:
    """Die before the step after a place, or in the middle of writing its checkpoint."""
    step, write = trainer.take_step, state.write_tensors

    def step_or_die(*arguments, position, **rest):
        if not writing and str(position) == place:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, position=position, **rest)

    def write_or_die(tensors, path):
        write(tensors, path)
        if writing and place in str(path) and path.name.startswith("average"):
            path.write_bytes(path.read_bytes()[:100])
            os.kill(os.getpid(), signal.SIGKILL)

    trainer.take_step, state.write_tensors = step_or_die, write_or_die


if __name__ == "__main__":
    main()
