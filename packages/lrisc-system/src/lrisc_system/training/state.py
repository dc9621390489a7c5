"""Checkpoints of a run, from which it resumes exactly: weights, average, optimiser, position."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from lrisc_system.storage.files import remove_files, replacing
from lrisc_system.storage.tensors import (
    CheckpointError,
    load_weights,
    read_tensors,
    write_tensors,
)
from lrisc_system.training.progress import Position, RunTotals
from lrisc_system.training.sharding import place_like

STATE_NAME = "state.json"
MODEL_FILE, AVERAGE_FILE = "model.safetensors", "average.safetensors"
OPTIMIZER_FILE = "optimizer.safetensors"
ADVERSARY_FILE = "adversary.safetensors"
# Without the first, no state.
STATE_FILES = (STATE_NAME, MODEL_FILE, AVERAGE_FILE, OPTIMIZER_FILE, ADVERSARY_FILE)


def save_state(
    folder: Path,
    position: Position,
    *,
    model: Mapping[str, Tensor],
    average: Mapping[str, Tensor],
    optimizer: Mapping[str, Tensor],
    adversary: Mapping[str, Tensor],
    totals: RunTotals,
    keep: int,
) -> None:
    """Write a checkpoint atomically, and delete all but the newest `keep`.

    Of a checkpoint only its own files are deleted; what else lies in its folder stays.

    Args:
        folder: folder of the run's checkpoints.
        position: position of the run.
        model: state dict of the model.
        average: moving average of its parameters.
        optimizer: tensors of the optimiser, named by `name_optimizer`.
        adversary: state dict of the critic, empty without one.
        totals: totals of the run.
        keep: number of checkpoints to keep.

    Raises:
        CheckpointError: if it cannot be written; the earlier checkpoints stay complete.
    """
    try:
        whole = set(folder.glob(f"stage*/{STATE_NAME}"))
        for leftover in [*folder.glob(".stage*/"), *folder.glob("stage[0-9]*-step[0-9]*/")]:
            if leftover / STATE_NAME not in whole:  # of a process that was killed while writing
                remove_files(leftover, STATE_FILES)
        with replacing(folder / str(position)) as fresh:
            write_tensors(model, fresh / MODEL_FILE)
            write_tensors(average, fresh / AVERAGE_FILE)
            write_tensors(optimizer, fresh / OPTIMIZER_FILE)
            write_tensors(adversary, fresh / ADVERSARY_FILE)
            state = {**asdict(position), **asdict(totals)}
            (fresh / STATE_NAME).write_text(json.dumps(state) + "\n")
    except OSError as error:
        raise CheckpointError(
            f"cannot write the checkpoint {position}, the earlier ones are complete: {error}"
        ) from error
    for old in list_states(folder)[:-keep]:
        remove_files(old, STATE_FILES)


def list_states(folder: Path) -> list[Path]:
    """List the complete checkpoints of a run, oldest first."""
    states = (path.parent for path in folder.glob(f"stage*/{STATE_NAME}"))
    return sorted(states, key=lambda state: astuple(load_position(state)))


def load_position(state: Path) -> Position:
    """Read the position of the run at a checkpoint.

    Raises:
        CheckpointError: if the file is not one that `save_state` wrote.
    """
    values = _read(state)
    return Position(_count(values, "stage", state), _count(values, "step", state))


def load_totals(state: Path) -> RunTotals:
    """Read the totals of the run at a checkpoint.

    Checkpoints of earlier versions hold no images and no FLOP; they count from 0 then.

    Raises:
        CheckpointError: if the file is not one that `save_state` wrote.
    """
    values = _read(state)
    skipped = values.get("skipped")
    if not isinstance(skipped, dict) or not all(type(n) is int for n in skipped.values()):
        raise CheckpointError(f"{state / STATE_NAME}: expected counts in skipped, got {skipped!r}")
    return RunTotals(
        seconds=_number(values, "seconds", state),
        steps=_count(values, "steps", state),
        images=_count({"images": 0, **values}, "images", state),
        flop=_number({"flop": 0.0, **values}, "flop", state),
        skipped=skipped,
    )


def _read(state: Path) -> dict[str, Any]:
    path = state / STATE_NAME
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise CheckpointError(f"{path}: expected the state of a run, got {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: expected the state of a run, got {type(values).__name__}")
    return values


def _count(values: Mapping[str, Any], name: str, state: Path) -> int:
    """Return an integer of a state file that is not negative."""
    return int(_check(values.get(name), (int,), name, state))


def _number(values: Mapping[str, Any], name: str, state: Path) -> float:
    """Return a number of a state file that is finite and not negative."""
    return float(_check(values.get(name), (int, float), name, state))


def _check(number: Any, kinds: tuple[type, ...], name: str, state: Path) -> Any:
    if type(number) not in kinds or not 0 <= number < math.inf:
        raise CheckpointError(
            f"{state / STATE_NAME}: expected a number of at least 0 in {name}, got {number!r}"
        )
    return number


def load_state(state: Path, *, model: nn.Module, average: dict[str, Tensor]) -> None:
    """Read the weights and their average that `save_state` wrote.

    Raises:
        CheckpointError: if the checkpoint is damaged or of another model.
    """
    load_weights(model, state / MODEL_FILE)
    stored = read_tensors(state / AVERAGE_FILE)
    if stored.keys() != average.keys():
        raise CheckpointError(f"{state} holds the average of another model")
    average.update({name: place_like(stored[name], average[name]) for name in average})


def load_optimizer(state: Path, optimizer: Optimizer, trained: Mapping[str, nn.Parameter]) -> None:
    """Read the optimiser's tensors that `save_state` wrote, and shard them as the parameters are.

    Call it after Accelerate's `prepare`: when that replaces parameters by shards, the optimiser
    loses its state.

    Raises:
        CheckpointError: if the checkpoint is damaged or of another stage.
    """
    for label, tensor in read_tensors(state / OPTIMIZER_FILE).items():
        key, _, name = label.partition("/")
        if name not in trained:
            raise CheckpointError(f"{state} holds the optimiser of another stage: {name}")
        parameter = trained[name]
        shaped = tensor.shape == parameter.shape
        if not shaped and tensor.numel() != 1:
            raise CheckpointError(
                f"{state}: expected {label} of {tuple(parameter.shape)}, got {tuple(tensor.shape)}"
            )
        optimizer.state[parameter][key] = place_like(tensor, parameter) if shaped else tensor


def name_optimizer(optimizer: Optimizer, trained: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Name the optimiser's tensors by parameter: `exp_avg/g_a.linear.weight`."""
    return {
        f"{key}/{name}": tensor
        for name, parameter in trained.items()
        for key, tensor in optimizer.state.get(parameter, {}).items()
    }


def load_adversary(state: Path, adversary: nn.Module) -> None:
    """Read the critic that `save_state` wrote.

    Raises:
        CheckpointError: if the checkpoint is damaged or of another stage.
    """
    load_weights(adversary, state / ADVERSARY_FILE)
