"""Weights on disk: a folder with `config.json` and `model.safetensors`, never a pickle."""

from __future__ import annotations

import copy
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lrisc_system.config import LRISCConfig, preset
from lrisc_system.decoders import ImageDecoder
from lrisc_system.system import LRISC
from roi_saliency import SaliencyDetector

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
CARD_NAME = "run.json"  # beside the weights of a trained model
PRIOR_OF_Z = "hyperprior.bottleneck."


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or of another model."""


class MismatchError(CheckpointError):
    """The tensors of a checkpoint are those of another model."""


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Fill a temporary folder, then put it in the place of `folder`.

    A new name is taken in one move. Where a folder stood before, that is moved aside first: a
    process that is killed between the two moves leaves it whole beside its place, as
    `.NAME-old-*`; killed at any other time, it leaves the old or the new one in place.

    Raises:
        OSError: if the disk is full or refuses.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield fresh
        for path in fresh.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        fresh.chmod(0o755)  # colleagues may read; temporary folders and safetensors forbid it
        for path in fresh.iterdir():
            path.chmod(0o644)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            os.replace(folder, old)
            os.replace(fresh, folder)
            rmtree(old)
        else:
            os.replace(fresh, folder)
    finally:
        rmtree(fresh, ignore_errors=True)


@torch.no_grad()
def save_model(system: LRISC, folder: str | Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Write a model that `load_model` reads: weights and config, as `replacing` does.

    Parts that were handed in are saved with the rest, compiled ones under their plain names.

    Args:
        system: the model; it stays as it is.
        folder: where to; replaced if it exists.
        dtype: to round and store parameters in; float16 halves the file. The prior of z keeps its
            precision, for its coding tables are made from it.
    """
    hyperprior = copy.deepcopy(system.hyperprior)
    hyperprior.update()
    coder = cast(nn.Module, hyperprior).state_dict(prefix="hyperprior.")
    rounded = {
        name
        for name, parameter in system.named_parameters(remove_duplicate=False)
        if parameter.is_floating_point() and not plain_name(name).startswith(PRIOR_OF_Z)
    }
    with replacing(Path(folder)) as fresh:
        (fresh / CONFIG_NAME).write_text(system.config.to_json() + "\n")
        write_tensors(
            {
                plain_name(name): tensor.to(dtype if name in rounded else tensor.dtype)
                for name, tensor in (system.state_dict() | coder).items()
            },
            fresh / WEIGHTS_NAME,
        )


def load_model(
    folder: str | Path,
    *,
    expected_preset: str | None = None,
    detector: SaliencyDetector | None = None,
    decoder: ImageDecoder | None = None,
    make_model: Callable[[LRISCConfig], LRISC] | None = None,
) -> LRISC:
    """Read a model that `save_model` wrote, in evaluation mode.

    Args:
        folder: with `config.json` and `model.safetensors`.
        expected_preset: name of the preset that the checkpoint must be of, if that matters.
        detector: saliency detector of the model.
        decoder: image decoder of the model, if it is not the default one.
        make_model: config -> model with the parts that were saved, for a model with parts of your
            own; what `--model module:function` names on the command line. It stands in the place
            of `detector` and `decoder`.

    Raises:
        CheckpointError: if files are missing, damaged or of another model or preset.
        ValueError: if `make_model` is given, and a part too.
    """
    if make_model is not None and (detector is not None or decoder is not None):
        raise ValueError("expected make_model, or a detector and a decoder, got both")
    folder = Path(folder)
    config_path, weights_path = folder / CONFIG_NAME, folder / WEIGHTS_NAME
    for path in (config_path, weights_path):
        if not path.is_file():
            raise CheckpointError(f"expected a checkpoint folder with {path.name}, got {folder}")
    try:
        config = LRISCConfig.from_json(config_path.read_text())
    except ValueError as error:
        raise CheckpointError(f"{config_path} is not a config of LRISC: {error}") from error
    if expected_preset is not None and config != preset(expected_preset):
        raise CheckpointError(f"{folder} is not a checkpoint of the preset {expected_preset!r}")
    if make_model is not None:
        system = make_model(config)
        load_weights(system, weights_path)
        return system.eval()
    system = LRISC(config, detector=detector, decoder=decoder)
    try:
        load_weights(system, weights_path)
    except MismatchError as error:
        made = recorded_model(folder)
        by = "" if made is None else f" (its run card says --model {made})"
        raise MismatchError(
            f"{error}; a model with parts of your own needs the function that makes it{by}: "
            "--model module:function, or load_model(..., make_model=function)"
        ) from error
    return system.eval()


def recorded_model(folder: Path) -> str | None:
    """Read what `--model` named when the model in a folder was trained, if its run card is there.

    Raises:
        CheckpointError: if there is a card that cannot be read.
    """
    path = folder / CARD_NAME
    if not path.is_file():
        return None
    try:
        return str(json.loads(path.read_text())["model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged or no run card: {error}") from error


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
        CheckpointError: if the file is damaged.
    """
    names = {plain_name(name): name for name in model.state_dict()}
    own = {plain_name(name): tensor for name, tensor in model.state_dict().items()}
    stored = {plain_name(name): tensor for name, tensor in read_tensors(path).items()}
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


def _count(names: Sequence[str]) -> str:
    """Say how many, and name the first."""
    return f"{len(names)} ({names[0]}, ...)" if names else "none"


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
