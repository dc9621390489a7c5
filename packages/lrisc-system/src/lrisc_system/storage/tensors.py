"""Tensors in safetensors files, never in pickles; and a module's weights out of them, strictly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or of another model."""


def load_weights(model: nn.Module, path: Path, *, fresh: tuple[str, ...] = ()) -> None:
    """Read every tensor of a safetensors file into the model, strictly.

    Args:
        model: to fill.
        path: of the file.
        fresh: prefixes of tensors that may be of another model: those that do not fit are passed
            over, and the model keeps its own.

    Raises:
        CheckpointError: if the file is damaged, or its tensors are not those of the model.
    """
    own = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(fresh)}
    state = {
        name: tensor
        for name, tensor in read_tensors(path).items()
        if not name.startswith(fresh) or (name in own and own[name].shape == tensor.shape)
    }
    try:
        model.load_state_dict(own | state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise CheckpointError(f"{path} does not fit the model: {first}") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {error}") from error


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file.

    Raises:
        OSError: if the disk is full or refuses.
    """
    try:
        save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, path)
    except SafetensorError as error:
        raise OSError(f"{path}: {error}") from error
