"""Weights on disk: a folder with `config.json` and `model.safetensors`, never a pickle."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

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


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or of another model."""


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
def save_model(system: LRISC, folder: Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Write a model that `load_model` reads: weights and config, as `replacing` does.

    Args:
        system: the model; it stays as it is.
        folder: where to; replaced if it exists.
        dtype: to round and store parameters in; float16 halves the file. The prior of z keeps its
            precision, for its coding tables are made from it.
    """
    stored = copy.deepcopy(system)
    rounded = {
        name: parameter.copy_(parameter.to(dtype))
        for name, parameter in stored.named_parameters()
        if not name.startswith("hyperprior.bottleneck.")
    }
    stored.hyperprior.update()
    with replacing(folder) as fresh:
        (fresh / CONFIG_NAME).write_text(system.config.to_json() + "\n")
        write_tensors(
            {
                name: tensor.to(dtype if name in rounded else tensor.dtype)
                for name, tensor in stored.state_dict().items()
            },
            fresh / WEIGHTS_NAME,
        )


def load_model(
    folder: Path,
    *,
    make_model: Callable[..., LRISC] = LRISC,
    expected_preset: str | None = None,
    detector: SaliencyDetector | None = None,
    decoder: ImageDecoder | None = None,
) -> LRISC:
    """Read a model that `save_model` wrote, in evaluation mode.

    Args:
        folder: with `config.json` and `model.safetensors`.
        make_model: config -> model, and what of `detector` and `decoder` is given.
        expected_preset: name of the preset that the checkpoint must be of, if that matters.
        detector: saliency detector of the model.
        decoder: image decoder of the model, if it is not the default one.

    Raises:
        CheckpointError: if files are missing, damaged or of another model or preset.
    """
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
    parts = {"detector": detector, "decoder": decoder}
    system = make_model(config, **{name: part for name, part in parts.items() if part is not None})
    load_weights(system, weights_path)
    return system.eval()


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
