"""The kinds of models that `--model` names, and how a folder with a trained model is opened."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from jscc_ratetoken import Channel
from lrisc_system.baselines.deepjscc.trainable import TrainableDeepJSCC
from lrisc_system.config import LRISCConfig, preset
from lrisc_system.link import Link
from lrisc_system.storage.checkpoint import recorded_model
from lrisc_system.storage.shipped import SHIPPED
from lrisc_system.storage.tensors import CheckpointError
from lrisc_system.system import LRISC
from lrisc_system.training.lrisc import TrainableLRISC
from lrisc_system.training.trainable import TrainableModel
from lrisc_system.training.user_code import find_user_line, in_one_line
from roi_saliency import SaliencyDetector

DEFAULT_MODEL = "lrisc"
MODELS: dict[str, TrainableModel[Any]] = {
    DEFAULT_MODEL: TrainableLRISC(),
    "deepjscc": TrainableDeepJSCC(),
}


def find_model(name: str) -> TrainableModel[Any]:
    """Look up the kind of model that `--model` names.

    Args:
        name: of a kind, or `module:function` with a function of a config that gives an LRISC
            with parts of your own; the module may lie in the current folder.

    Raises:
        ValueError: if there is no such kind, module or function.
    """
    if name in MODELS:
        return MODELS[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise ValueError(f"expected a model of {sorted(MODELS)} or module:function, got {name!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` does, and the script `lrisc` does not
    try:
        make = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as error:  # a module of the user's may raise anything
        raise ValueError(f"expected module:function, got {name!r}: {in_one_line(error)}") from error
    if not callable(make):
        raise ValueError(
            f"expected module:function, got {name!r}, which is of type {type(make).__name__}"
        )
    return TrainableLRISC(make_model=partial(make_checked, make, name))


def make_checked(make: Callable[[LRISCConfig], object], name: str, config: LRISCConfig) -> LRISC:
    """Make a model by a user's function.

    Args:
        make: config -> model.
        name: `module:function`, for errors.
        config: config of the model.

    Raises:
        ValueError: if the function raises, or what it returns is no LRISC; in one line, with the
            file and line of the user's code.
    """
    try:
        model = make(config)
    except Exception as error:
        place = find_user_line(error.__traceback__)
        at = "" if place is None else f" at {place}"
        raise ValueError(f"{name} raised {in_one_line(error)}{at}") from error
    if not isinstance(model, LRISC):
        raise ValueError(f"expected {name} to return an LRISC, got {type(model).__name__}")
    return model


def kind_of(name: str | None, folder: str | Path) -> TrainableModel[Any]:
    """Return the kind of the model in a folder.

    Args:
        name: the value of `--model`; by default the kind in the folder's run card, or lrisc if
            there is no card.
        folder: folder with a trained model.

    Raises:
        CheckpointError: if the run card cannot be read, or what it names is not found here or is
            another kind than the one that is asked for.
        ValueError: if there is no model of that name.
    """
    if name is not None:
        kind = find_model(name)
        shipped = DEFAULT_MODEL if Path(folder) == SHIPPED else None
        recorded = recorded_model(Path(folder)) or shipped
        if name in MODELS and recorded in MODELS and recorded != name:
            raise CheckpointError(
                f"expected a checkpoint of --model {name}, got {folder}, which is one of "
                f"{recorded}: name another one with --checkpoint"
            )
        return kind
    recorded = recorded_model(Path(folder))
    if recorded is None:
        return MODELS[DEFAULT_MODEL]
    if recorded not in MODELS and not _in_current_folder(recorded):
        raise CheckpointError(
            f"{folder} was trained with --model {recorded}, which is not in the current folder: "
            "name it with --model"
        )
    try:
        return find_model(recorded)
    except ValueError as error:
        raise CheckpointError(
            f"{folder} was trained with --model {recorded}, which is not found here ({error}): "
            "name it with --model"
        ) from error


def _in_current_folder(name: str) -> bool:
    """Tell whether the module of `module:function` lies in the current folder.

    A run card may come from anywhere: it alone must not run a function of any installed package.
    """
    module = name.partition(":")[0]
    path = Path.cwd().joinpath(*module.split("."))
    files = [path.with_suffix(".py"), path / "__init__.py"]
    imported = getattr(sys.modules.get(module), "__file__", None)
    if module in sys.modules and (imported is None or Path(imported).resolve() not in files):
        return False
    return any(file.is_file() for file in files)


def open_model(
    name: str | None,
    folder: str | Path,
    *,
    device: torch.device | str = "cpu",
    expected_preset: str | None = None,
) -> LRISC:
    """Open a model that sends packets: LRISC, also with parts of your own.

    Args:
        name: the value of `--model`; by default the kind in the folder's run card.
        folder: with `config.json` and `model.safetensors`.
        device: of the model.
        expected_preset: name of the preset that the model must be of, if that matters.

    Returns:
        The model in evaluation mode.

    Raises:
        CheckpointError: if files are missing, damaged, of another model or preset, or of a kind
            that sends no packets.
        ValueError: if there is no model of that name.
    """
    model = kind_of(name, folder).load(Path(folder))
    if not hasattr(model, "fingerprint"):
        raise CheckpointError(
            f"expected a model that sends packets, got {type(model).__name__} in {folder}"
        )
    if expected_preset is not None and model.config != preset(expected_preset):
        raise CheckpointError(f"{folder} is not a checkpoint of the preset {expected_preset!r}")
    system: LRISC = model.to(device)
    return system


def open_link(
    name: str | None,
    folder: str | Path,
    *,
    channel: Channel | None = None,
    device: torch.device | str = "cpu",
) -> tuple[Link, SaliencyDetector]:
    """Open a model of any kind as a link.

    Args:
        name: the value of `--model`; by default the kind in the folder's run card.
        folder: with a trained model.
        channel: of the link; AWGN by default.
        device: of the model.

    Returns:
        The link, and the saliency detector for its images.

    Raises:
        CheckpointError: if files are missing, damaged or of another model.
        ValueError: if there is no model of that name.
    """
    kind = kind_of(name, folder)
    model = kind.load(Path(folder)).to(device)
    return kind.link(model, channel=channel), getattr(model, "detector", kind.detector)
