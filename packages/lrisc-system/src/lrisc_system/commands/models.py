"""What `--model` may name: the kinds of models that the training loop trains."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from lrisc_system.baselines.deepjscc.trainable import DeepJSCCFamily
from lrisc_system.training.lrisc import LRISCFamily
from lrisc_system.training.recipes import describe_recipes
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


def describe_families() -> str:
    """List the stages of every preset of every family, for the help of the training commands."""
    return "\n\n".join(
        describe_recipes(family.recipes(), options=f"--model {name}")
        for name, family in FAMILIES.items()
    )
