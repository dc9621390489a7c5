"""Tensors in safetensors files, never in pickles; and a module's weights out of them, strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

EIGHT_BITS = ".scale8"  # ends the names of the scales of weights in 8 bits


FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
INTEGERS = frozenset({"I64", "I32", "I16", "I8", "U8", "BOOL"})


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or of another model."""


class MismatchError(CheckpointError):
    """The tensors of a checkpoint are those of another model."""


@dataclass(frozen=True)
class StoredTensor:
    """What the header of a file says about a tensor: its shape, and safetensors' name of a type."""

    shape: tuple[int, ...]
    dtype: str


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
        CheckpointError: if the file is damaged, holds weights in 8 bits, or numbers that are not
            finite.
    """
    taken = check_fit(model, read_header(path), path, fresh=fresh)
    names = {plain_name(name): name for name in model.state_dict()}
    stored = {plain_name(name): tensor for name, tensor in read_tensors(path).items()}
    try:
        model.load_state_dict(model.state_dict() | {names[name]: stored[name] for name in taken})
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise MismatchError(f"{path} does not fit the model: {first}") from error


def check_fit(
    model: nn.Module,
    header: Mapping[str, StoredTensor],
    path: Path,
    *,
    fresh: tuple[str, ...] = (),
) -> list[str]:
    """Compare the header of a file with a model, which may be on the device `meta`.

    Args:
        model: to be filled.
        header: of the file, as `read_header` gives it.
        path: of the file, for errors.
        fresh: prefixes of tensors that may be of another model.

    Returns:
        The plain names of the tensors to read.

    Raises:
        MismatchError: if names, shapes or types are those of another model.
        CheckpointError: if the file holds weights in 8 bits.
    """
    own = {plain_name(name): tensor for name, tensor in model.state_dict().items()}
    stored = {plain_name(name): tensor for name, tensor in header.items()}
    if any(name.endswith(EIGHT_BITS) for name in stored):
        raise CheckpointError(
            f"{path} holds 8-bit weights for scripts/gpu_kit.sh, which no command opens"
        )
    taken = [
        name
        for name, tensor in stored.items()
        if not name.startswith(fresh) or (name in own and own[name].shape == tensor.shape)
    ]
    missing = sorted(name for name in own.keys() - set(taken) if not name.startswith(fresh))
    unknown = [name for name in taken if name not in own]
    if missing or unknown:
        raise MismatchError(
            f"{path} does not fit the model: it lacks {_count(missing)} of the model's tensors "
            f"and holds {_count(unknown)} of another's"
        )
    for name in taken:
        # Only the coder knows the size of its tables: it checks them when it loads them.
        if own[name].numel() and own[name].shape != stored[name].shape:
            raise MismatchError(
                f"{path} does not fit the model: size mismatch for {name}: "
                f"expected {tuple(own[name].shape)}, got {stored[name].shape}"
            )
        if stored[name].dtype not in (FLOATS if own[name].is_floating_point() else INTEGERS):
            raise MismatchError(
                f"{path} does not fit the model: expected {own[name].dtype} for {name}, "
                f"got {stored[name].dtype}"
            )
    return taken


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Read the names, shapes and types of the tensors in a safetensors file, and no tensor.

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is damaged or no safetensors file: there is no such file")
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {
                name: StoredTensor(tuple(part.get_shape()), part.get_dtype())
                for name, part in slices.items()
            }
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {error}") from error


def plain_name(name: str) -> str:
    """Name a tensor as it is called without `torch.compile`, which puts `_orig_mod.` before it."""
    return name.replace("_orig_mod.", "")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind, or holds numbers that
            are not finite.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is damaged or no safetensors file: there is no such file")
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {error}") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(f"{path}: expected finite numbers in {name}, got inf or nan")
    return tensors


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
