"""LRISC on disk: a folder with `config.json` and `model.safetensors`, without pickles."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from lrisc_system.config import LRISCConfig
from lrisc_system.decoders import ImageDecoder
from lrisc_system.storage.json_files import read_json
from lrisc_system.storage.pretrained import CONFIG_NAME, WEIGHTS_NAME, read_model, write_model
from lrisc_system.storage.tensors import CheckpointError, MismatchError, load_weights
from lrisc_system.system import LRISC
from roi_saliency import SaliencyDetector

CARD_NAME = "run.json"  # next to the weights of a trained model


def save_model(system: LRISC, folder: str | Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Write the config and the weights of a model; other files of the folder stay.

    Parts of your own are saved too. Tensors of compiled parts go by their plain names.

    Args:
        system: the model; it does not change.
        folder: folder to write to; it is made if it is missing.
        dtype: type of the stored parameters; float16 halves the file. The prior of z keeps its
            precision, because the coding tables are computed from it.
    """
    tensors = system.stored_tensors(dtype=dtype)
    write_model(Path(folder), config=system.config_json(), tensors=tensors)


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
        folder: folder with `config.json` and `model.safetensors`.
        expected_preset: name of the preset that the checkpoint must be of.
        detector: saliency detector of the model.
        decoder: image decoder of the model, if it is not the default one.
        make_model: config -> model with the parts that were saved, for a model with parts of your
            own. `--model module:function` names this function on the command line. It replaces
            `detector` and `decoder`.

    Raises:
        CheckpointError: if files are missing, damaged or of another model or preset.
        ValueError: if `make_model` is given together with a part.
    """
    if make_model is not None and (detector is not None or decoder is not None):
        raise ValueError("expected make_model, or a detector and a decoder, got both")
    folder = Path(folder)
    build = partial(
        LRISC.from_config_json,
        expected_preset=expected_preset,
        detector=detector,
        decoder=decoder,
        make_model=make_model,
    )
    try:
        return read_model(folder, build, rehearse=make_model is None)
    except MismatchError as error:
        if make_model is not None:
            raise
        made = recorded_model(folder)
        by = "" if made is None else f" (its run card says --model {made})"
        raise MismatchError(
            f"{error}; a model with parts of your own needs the function that makes it{by}: "
            "--model module:function, or load_model(..., make_model=function)"
        ) from error


WITHOUT_EFFECT = ("decoder.natural_unet.",)
"""Parameters that start from others (`start_realism`), so that trained weights may lack them."""


def load_start(model: nn.Module, folder: Path, *, preset: str, fresh: tuple[str, ...] = ()) -> None:
    """Fill a model that is about to be trained with the weights of a trained one.

    Args:
        model: of any kind, with its sizes in the dataclass `config`.
        folder: folder of the trained model.
        preset: name of the preset that `model` is of.
        fresh: parts that may be of another model, as `load_weights` takes them.

    Raises:
        MismatchError: if the weights do not fit; if the config is another one too, it says so.
        CheckpointError: if the files are damaged.
    """
    try:
        load_weights(model, folder / WEIGHTS_NAME, fresh=(*fresh, *WITHOUT_EFFECT))
    except MismatchError as error:
        own = json.loads(json.dumps(asdict(cast(Any, model.config))))
        if _read_config(folder) in (None, own):
            raise
        made = recorded_preset(folder)
        of = "" if made in (None, preset) else f", that of {made!r}"
        raise MismatchError(
            f"expected a checkpoint of the preset {preset!r}, got one with another config{of}: "
            f"{folder}"
        ) from error


def _read_config(folder: Path) -> Any:
    """Read the config in a folder as plain JSON; None if there is none."""
    path = folder / CONFIG_NAME
    try:
        return read_json(path) if path.is_file() else None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or no config: {error}") from error


def recorded_model(folder: Path) -> str | None:
    """Read the kind of the model in a folder, as `--model` names it, from its run card.

    Returns:
        The name, or None if there is no run card.

    Raises:
        CheckpointError: if the run card is damaged, or names no model.
    """
    card = read_card(folder)
    if card is None:
        return None
    if "model" not in card:
        raise CheckpointError(f"{folder / CARD_NAME} is damaged or no run card: expected a model")
    return str(card["model"])


def recorded_preset(folder: Path) -> str | None:
    """Read the preset of the model in a folder from its run card; None if there is none in it.

    Raises:
        CheckpointError: if the run card is damaged.
    """
    preset = (read_card(folder) or {}).get("preset")
    return None if preset is None else str(preset)


def read_card(folder: Path) -> dict[str, Any] | None:
    """Read the run card in a folder; None if there is no run card.

    Raises:
        CheckpointError: if it is damaged.
    """
    path = folder / CARD_NAME
    if not path.is_file():
        return None
    try:
        return dict(read_json(path).items())
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged or no run card: {error}") from error
