"""LRISC on disk: a folder with `config.json` and `model.safetensors`, never a pickle."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from lrisc_system.config import LRISCConfig
from lrisc_system.decoders import ImageDecoder
from lrisc_system.storage.pretrained import read_model, write_model
from lrisc_system.storage.tensors import CheckpointError, MismatchError
from lrisc_system.system import LRISC
from roi_saliency import SaliencyDetector

CARD_NAME = "run.json"  # beside the weights of a trained model
PRIOR_OF_Z = "hyperprior.bottleneck."


def save_model(system: LRISC, folder: str | Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Write a model that `load_model` reads: weights and config; other files of the folder stay.

    Parts that were handed in are saved with the rest, compiled ones under their plain names.

    Args:
        system: the model; it stays as it is.
        folder: where to; made if it is missing.
        dtype: to round and store parameters in; float16 halves the file. The prior of z keeps its
            precision, for its coding tables are made from it.
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
    build = partial(
        LRISC.from_config_json,
        expected_preset=expected_preset,
        detector=detector,
        decoder=decoder,
        make_model=make_model,
    )
    try:
        return read_model(folder, build)
    except MismatchError as error:
        if make_model is not None:
            raise
        made = recorded_model(folder)
        by = "" if made is None else f" (its run card says --model {made})"
        raise MismatchError(
            f"{error}; a model with parts of your own needs the function that makes it{by}: "
            "--model module:function, or load_model(..., make_model=function)"
        ) from error


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
