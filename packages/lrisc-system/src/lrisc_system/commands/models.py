"""What `--model` may name, and how a trained model is opened by it."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from lrisc_system.baselines.deepjscc.trainable import DeepJSCCFamily
from lrisc_system.devices import find_device
from lrisc_system.storage.checkpoint import load_model
from lrisc_system.system import LRISC
from lrisc_system.training.lrisc import LRISCFamily
from lrisc_system.training.run_card import CARD_NAME
from lrisc_system.training.trainable import Family

FAMILIES: dict[str, Family[Any]] = {"lrisc": LRISCFamily(), "deepjscc": DeepJSCCFamily()}


def find_family(name: str) -> Family[Any]:
    """Look up what `--model` names.

    Args:
        name: of a family, or `module:function` with a function of a config that gives an LRISC
            with parts of your own; the module may lie in the current folder.

    Raises:
        ValueError: if there is no such family, module or function.
    """
    if name in FAMILIES:
        return FAMILIES[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise ValueError(f"expected a model of {sorted(FAMILIES)} or module:function, got {name!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` does, and the script `lrisc` does not
    try:
        return LRISCFamily(make_model=getattr(importlib.import_module(module), function))
    except (ImportError, AttributeError) as error:
        raise ValueError(f"expected module:function, got {name!r}: {error}") from error


def open_model(checkpoint: Path, *, model: str | None = None, device: str | None = None) -> LRISC:
    """Open a trained model, in evaluation mode.

    Args:
        checkpoint: folder with `config.json` and `model.safetensors`.
        model: what `--model` names; by default what the folder's run card names, or else lrisc.
        device: to move the model to; the CPU by default.

    Raises:
        ValueError: if there is no such model, checkpoint or device, or the two do not fit.
    """
    name = recorded_model(checkpoint) if model is None else model
    make_model = getattr(find_family(name), "make_model", None)
    if make_model is None:
        raise ValueError(f"expected a model that sends packets, got {name}")
    return load_model(checkpoint, make_model=make_model).to(find_device(device))


def recorded_model(checkpoint: Path) -> str:
    """Read from the run card of a checkpoint which model was trained; lrisc if it has no card.

    Raises:
        ValueError: if the card is damaged.
    """
    card = checkpoint / CARD_NAME
    if not card.is_file():
        return "lrisc"
    try:
        return str(json.loads(card.read_text())["model"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{card}: expected the run card of a training, with its model") from error
