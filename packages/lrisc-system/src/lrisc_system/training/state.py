"""What a run needs to go on exactly where it was: weights, average, optimiser, place."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import rmtree

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from lrisc_system.storage.files import replacing
from lrisc_system.storage.tensors import (
    CheckpointError,
    load_weights,
    read_tensors,
    write_tensors,
)

STATE_NAME = "state.json"


@dataclass(frozen=True)
class Position:
    """Where a run stands: the stage, and the optimiser steps done in it."""

    stage: int = 0
    step: int = 0

    def __str__(self) -> str:
        return f"stage{self.stage}-step{self.step:07d}"


@dataclass(frozen=True)
class RunTotals:
    """What a run adds up, over all its resumes.

    Args:
        seconds: trained so far.
        steps: done so far, over all stages.
        skipped: photos that could not be read, and how often they were met.
    """

    seconds: float = 0.0
    steps: int = 0
    skipped: dict[str, int] = field(default_factory=dict)


def save_state(
    folder: Path,
    place: Position,
    *,
    model: Mapping[str, Tensor],
    average: Mapping[str, Tensor],
    optimizer: Mapping[str, Tensor],
    ledger: RunTotals,
    keep: int,
) -> None:
    """Write a checkpoint atomically and drop all but the newest `keep`.

    Args:
        folder: of the run's checkpoints.
        place: where the run stands.
        model: the model's state.
        average: the moving average of its parameters.
        optimizer: its tensors, named by `name_optimizer`.
        ledger: of the run.
        keep: how many checkpoints stay.

    Raises:
        CheckpointError: if it cannot be written; the earlier checkpoints are whole then.
    """
    try:
        for leftover in folder.glob(".stage*"):  # of a process that was killed while writing
            rmtree(leftover)
        with replacing(folder / str(place)) as fresh:
            write_tensors(model, fresh / "model.safetensors")
            write_tensors(average, fresh / "average.safetensors")
            write_tensors(optimizer, fresh / "optimizer.safetensors")
            state = {**asdict(place), **asdict(ledger)}
            (fresh / STATE_NAME).write_text(json.dumps(state) + "\n")
    except OSError as error:
        raise CheckpointError(
            f"cannot write the checkpoint {place}, the earlier ones are whole: {error}"
        ) from error
    for old in list_states(folder)[:-keep]:
        grave = tempfile.mkdtemp(prefix=f".{old.name}-", dir=folder)
        rmtree(old.replace(grave))


def list_states(folder: Path) -> list[Path]:
    """List the whole checkpoints of a run, oldest first."""
    return sorted(path.parent for path in folder.glob(f"stage*/{STATE_NAME}"))


def load_position(state: Path) -> Position:
    """Read where the run stood."""
    values = json.loads((state / STATE_NAME).read_text())
    return Position(values["stage"], values["step"])


def load_totals(state: Path) -> RunTotals:
    """Read what the run had added up."""
    values = json.loads((state / STATE_NAME).read_text())
    return RunTotals(values["seconds"], values["steps"], values["skipped"])


def load_state(state: Path, *, model: nn.Module, average: dict[str, Tensor]) -> None:
    """Read the weights and their average that `save_state` wrote.

    Raises:
        CheckpointError: if the checkpoint is damaged or of another model.
    """
    load_weights(model, state / "model.safetensors")
    stored = read_tensors(state / "average.safetensors")
    if stored.keys() != average.keys():
        raise CheckpointError(f"{state} holds the average of another model")
    average.update({name: like(stored[name], average[name]) for name in average})


def load_optimizer(state: Path, optimizer: Optimizer, trained: Mapping[str, nn.Parameter]) -> None:
    """Read the optimiser's tensors that `save_state` wrote; shards take their part.

    To be called after Accelerate's `prepare`, which forgets what an optimiser knew when it puts
    shards in the place of parameters.

    Raises:
        CheckpointError: if the checkpoint is damaged or of another stage.
    """
    for label, tensor in read_tensors(state / "optimizer.safetensors").items():
        key, name = label.split("/", 1)
        if name not in trained:
            raise CheckpointError(f"{state} holds the optimiser of another stage: {name}")
        parameter = trained[name]
        shaped = tensor.shape == parameter.shape
        optimizer.state[parameter][key] = like(tensor, parameter) if shaped else tensor


def name_optimizer(optimizer: Optimizer, trained: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Name the optimiser's tensors by parameter: `exp_avg/g_a.linear.weight`."""
    return {
        f"{key}/{name}": tensor
        for name, parameter in trained.items()
        for key, tensor in optimizer.state.get(parameter, {}).items()
    }


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gather what FSDP has sharded; every process must take part."""
    return {name: _gather(tensor.detach()) for name, tensor in tensors.items()}


def _gather(tensor: Tensor) -> Tensor:
    if not isinstance(tensor, DTensor):
        return tensor
    if tensor.numel() == 0:  # FSDP cuts nothing into other pieces than DTensor can gather
        return torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device)
    whole_tensor: Tensor = tensor.full_tensor()
    return whole_tensor


def like(tensor: Tensor, reference: Tensor) -> Tensor:
    """Put a tensor where a reference of its shape is, in shards if that is in shards."""
    tensor = tensor.to(reference.device)
    if isinstance(reference, DTensor):
        if tensor.numel() == 0:
            return torch.zeros_like(reference)
        return distribute_tensor(tensor, reference.device_mesh, reference.placements)
    return tensor


def start_average(module: nn.Module) -> dict[str, Tensor]:
    """Begin a moving average of a module's parameters, in float32."""
    return {name: p.detach().clone() for name, p in module.named_parameters()}


@torch.no_grad()
def update_average(average: Mapping[str, Tensor], module: nn.Module, *, decay: float) -> None:
    """Move the average towards the module's parameters by `1 - decay`, all tensors at once."""
    parameters = dict(module.named_parameters())
    averages = [average[name] for name in parameters]
    get_ema_multi_avg_fn(decay)(averages, [p.detach() for p in parameters.values()], None)
