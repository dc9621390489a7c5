"""LRISC on disk: a folder with `config.json` and `model.safetensors`, never a pickle."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from lrisc_system.decoders import ImageDecoder
from lrisc_system.storage.pretrained import read_model, write_model
from lrisc_system.system import LRISC
from roi_saliency import SaliencyDetector

SHIPPED = Path(__file__).parents[1] / "weights" / "small"


def save_model(system: LRISC, folder: str | Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Write a model that `load_model` reads: weights and config; other files of the folder stay.

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
) -> LRISC:
    """Read a model that `save_model` wrote, in evaluation mode.

    Args:
        folder: with `config.json` and `model.safetensors`.
        expected_preset: name of the preset that the checkpoint must be of, if that matters.
        detector: saliency detector of the model.
        decoder: image decoder of the model, if it is not the default one.

    Raises:
        CheckpointError: if files are missing, damaged or of another model or preset.
    """
    build = partial(
        LRISC.from_config_json, expected_preset=expected_preset, detector=detector, decoder=decoder
    )
    return read_model(Path(folder), build)
