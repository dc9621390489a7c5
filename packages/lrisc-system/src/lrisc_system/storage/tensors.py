"""Tensors in safetensors files, never in pickles; and a module's weights out of them, strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

EIGHT_BITS = ".scale8"  # ends the names of the scales of weights in 8 bits


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or of another model."""


class MismatchError(CheckpointError):
    """The tensors of a checkpoint are those of another model."""


def load_weights(model: nn.Module, path: Path, *, fresh: tuple[str, ...] = ()) -> None:
    """Read every tensor of a safetensors file into the model, strictly.

    Parts that `torch.compile` wraps, in the model or when it was saved, go by their plain names.

    Args:
        model: to fill.
        path: of the file.
        fresh: prefixes of tensors that may be of another model: those that do not fit are passed
            over, and the model keeps its own.

    Raises:
        MismatchError: if its tensors are not those of the model.
        CheckpointError: if the file is damaged, or holds weights in 8 bits.
    """
    names = {plain_name(name): name for name in model.state_dict()}
    own = {plain_name(name): tensor for name, tensor in model.state_dict().items()}
    stored = {plain_name(name): tensor for name, tensor in read_tensors(path).items()}
    if any(name.endswith(EIGHT_BITS) for name in stored):
        raise CheckpointError(
            f"{path} holds 8-bit weights for scripts/gpu_kit.sh, which no command opens"
        )
    kept = {name: tensor for name, tensor in own.items() if name.startswith(fresh)}
    state = kept | {
        name: tensor
        for name, tensor in stored.items()
        if not name.startswith(fresh) or (name in own and own[name].shape == tensor.shape)
    }
    missing = [name for name in own if name not in state]
    unknown = [name for name in state if name not in own]
    if missing or unknown:
        raise MismatchError(
            f"{path} does not fit the model: it lacks {_count(missing)} of the model's tensors "
            f"and holds {_count(unknown)} of another's"
        )
    try:
        model.load_state_dict({names[name]: tensor for name, tensor in state.items()})
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise MismatchError(f"{path} does not fit the model: {first}") from error


def plain_name(name: str) -> str:
    """Name a tensor as it is called without `torch.compile`, which puts `_orig_mod.` before it."""
    return name.replace("_orig_mod.", "")


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
    whole: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.cpu().contiguous()
        if tensor.numel() and tensor.untyped_storage().data_ptr() in seen:
            tensor = tensor.clone()  # tied weights: the format wants each on its own
        seen.add(tensor.untyped_storage().data_ptr())
        whole[name] = tensor
    try:
        save_file(whole, path)
    except SafetensorError as error:
        raise OSError(f"{path}: {error}") from error


def _count(names: Sequence[str]) -> str:
    """Return the number of names, and the first of them."""
    return f"{len(names)} ({names[0]}, ...)" if names else "none"
