"""Continuing a run: it must be the same one, by its card."""

from __future__ import annotations

import json
from pathlib import Path

from lrisc_system.storage.checkpoint import CARD_NAME
from lrisc_system.training.recipes import Recipe


def check_same_run(folder: Path, *, model: str, preset: str, seed: int, recipe: Recipe) -> None:
    """Refuse to continue the run of a folder as another one.

    Args:
        folder: folder of the run, with its card.
        model: kind of the model.
        preset: name of the preset.
        seed: of everything random.
        recipe: recipe to continue with.

    Raises:
        ValueError: naming the first difference.
    """
    path = folder / CARD_NAME
    if not path.exists():
        return
    card = json.loads(path.read_text())
    own = {
        "model": model,
        "preset": preset,
        "seed": seed,
        "stages": [stage.name for stage in recipe.stages],
    }
    recorded = {**card, "stages": [stage["name"] for stage in card["recipe"]["stages"]]}
    for name, value in own.items():
        if recorded[name] != value:
            raise ValueError(
                f"expected --resume with the {name} of the run, {recorded[name]}, got {value}"
            )


def read_resumes(folder: Path) -> list[str]:
    """Read the positions at which the run of a folder was resumed before."""
    path = folder / CARD_NAME
    return list(json.loads(path.read_text())["resumed_at"]) if path.exists() else []
