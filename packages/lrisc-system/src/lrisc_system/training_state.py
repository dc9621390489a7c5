"""What a run needs to go on exactly where it was: weights, average, optimiser, place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from lrisc_system.checkpoint import CheckpointError, load_weights, replacing
from lrisc_system.system import LRISC

STATE_NAME = "state.json"


@dataclass(frozen=True)
class Place:
    """Where a run stands: the stage, and the optimiser steps done in it."""

    stage: int = 0
    step: int = 0

    def __str__(self) -> str:
        return f"stage{self.stage}-step{self.step:07d}"


def save_state(
    folder: Path,
    place: Place,
    *,
    system: LRISC,
    average: Mapping[str, Tensor],
    optimizer: Optimizer,
    names: list[str],
    keep: int,
) -> None:
    """Write a checkpoint atomically and drop all but the newest `keep`.

    Args:
        folder: of the run's checkpoints.
        place: where the run stands.
        system: the model.
        average: the moving average of its parameters.
        optimizer: Adam over the stage's parameters.
        names: of those parameters, in the optimiser's order.
        keep: how many checkpoints stay.
    """
    with replacing(folder / str(place)) as fresh:
        save_file(_contiguous(system.state_dict()), fresh / "model.safetensors")
        save_file(_contiguous(average), fresh / "average.safetensors")
        save_file(_flatten(optimizer, names), fresh / "optimizer.safetensors")
        (fresh / STATE_NAME).write_text(json.dumps(asdict(place)) + "\n")
    for old in list_states(folder)[:-keep]:
        rmtree(old)


def list_states(folder: Path) -> list[Path]:
    """List the whole checkpoints of a run, oldest first."""
    return sorted(path.parent for path in folder.glob(f"stage*/{STATE_NAME}"))


def load_place(state: Path) -> Place:
    """Read where the run stood."""
    return Place(**json.loads((state / STATE_NAME).read_text()))


def load_state(
    state: Path,
    *,
    system: LRISC,
    average: dict[str, Tensor],
    optimizer: Optimizer,
    names: list[str],
) -> None:
    """Read what `save_state` wrote into the objects of a run.

    Raises:
        CheckpointError: if the checkpoint is damaged or of another run's shape.
    """
    load_weights(system, state / "model.safetensors")
    average.update(load_file(state / "average.safetensors"))
    try:
        _restore(optimizer, names, load_file(state / "optimizer.safetensors"))
    except KeyError as error:
        raise CheckpointError(f"{state} lacks the optimiser's state of {error}") from error


def _flatten(optimizer: Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Name the optimiser's tensors by parameter: `exp_avg/g_a.linear.weight`."""
    states = optimizer.state_dict()["state"]
    return {
        f"{key}/{names[index]}": value.contiguous()
        for index, values in states.items()
        for key, value in values.items()
    }


def _restore(optimizer: Optimizer, names: list[str], tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    index = {name: position for position, name in enumerate(names)}
    for label, tensor in tensors.items():
        key, name = label.split("/", 1)
        state.setdefault(index[name], {})[key] = tensor
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def start_average(module: nn.Module) -> dict[str, Tensor]:
    """Begin a moving average of a module's parameters, in float32."""
    return {name: p.detach().clone() for name, p in module.named_parameters()}


@torch.no_grad()
def update_average(average: Mapping[str, Tensor], module: nn.Module, *, decay: float) -> None:
    """Move the average towards the module's parameters by `1 - decay`."""
    for name, parameter in module.named_parameters():
        average[name].lerp_(parameter.detach(), 1 - decay)
