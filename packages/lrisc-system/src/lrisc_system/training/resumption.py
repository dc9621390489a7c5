"""Continuing a run: it must be the same one, by its card and its newest checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object

from lrisc_system.storage.checkpoint import CARD_NAME, read_card
from lrisc_system.storage.files import refuse_foreign
from lrisc_system.storage.pretrained import MODEL_NAME, STATES_NAME
from lrisc_system.storage.tensors import CheckpointError
from lrisc_system.training.monitor import CURVES_NAME
from lrisc_system.training.progress import Position
from lrisc_system.training.run_card import TEXT_NAME, RunCard
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.state import list_states, load_position

# All that the weights depend on, besides the recipe. The processes, their device and the
# micro-batches may change: a step has the same images.
FIXED = ("model", "preset", "seed", "start", "data", "masks", "mixed_precision", "minutes")
LATER = ("max_norm", "reals_per_token")  # cards of earlier versions lack these


def list_checkpoints(settings: TrainSettings, *, card: RunCard) -> list[Path]:
    """List the checkpoints in the output folder of a run, oldest first; each process must call it.

    Args:
        settings: settings of the run.
        card: card of the run as it would begin or continue.

    Raises:
        ValueError: if there are some, and they are not to be continued or are of another run; or
            if there are none, and the folder holds files of ours without the card of a run.
        CheckpointError: if they are damaged.
    """
    states = list_states(settings.output / STATES_NAME)
    newest = states[-1] if states else None
    if newest is not None and not settings.resume:
        raise ValueError(f"expected an empty output folder or --resume, got {newest}")
    seen = gather_object([None if newest is None else newest.name])
    if len(set(seen)) > 1:
        raise ValueError(
            f"expected an output folder that all machines share, got the checkpoints {seen}"
        )
    if newest is None:
        written = (TEXT_NAME, CURVES_NAME, MODEL_NAME, STATES_NAME)
        refuse_foreign(settings.output, mark=CARD_NAME, names=written)
    else:
        check_same_run(settings.output, card=card, position=load_position(newest))
    return states


def how_to_go_on(folder: Path) -> str:
    """Say which checkpoint of a run is the newest, and how to continue from it."""
    states = list_states(folder / STATES_NAME)
    if not states:
        return f"no checkpoint was written yet to {folder}"
    return f"{states[-1]} is complete; the same command with --resume goes on from there"


def check_same_run(folder: Path, *, card: RunCard, position: Position) -> None:
    """Refuse to continue the run of a folder as another one.

    Stages that have not begun may change, and so may the steps of the current stage if its learning
    rate is constant. Where the run's length is a time, nothing may change.

    Args:
        folder: folder of the run, with its card.
        card: card of the run as it would continue.
        position: position of the newest checkpoint.

    Raises:
        ValueError: naming the first difference, or if the recipe ends before the position.
        CheckpointError: if the card is not one of a run.
    """
    recorded = read_card(folder)
    if recorded is not None:
        try:
            differences = list(_differences(recorded, json.loads(card.to_json()), position))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise CheckpointError(
                f"{folder / CARD_NAME}: expected the card of a run, this one lacks {error}"
            ) from error
        for name, old, new in differences:
            raise ValueError(f"expected --resume with the {name} of the run, {old}, got {new}")
    names = [stage.name for stage in card.recipe.stages]
    if position.stage >= len(names):
        raise ValueError(
            f"expected --resume with the stages of the run, {position.stage + 1} or more, got "
            f"{names}"
        )


def read_resumes(folder: Path) -> list[str]:
    """Read the positions at which the run of a folder was resumed before."""
    card = read_card(folder)
    resumes = [] if card is None else card.get("resumed_at", [])
    return [str(each) for each in resumes] if isinstance(resumes, list) else []


Difference = tuple[str, object, object]


def _differences(
    old: Mapping[str, Any], new: Mapping[str, Any], position: Position
) -> Iterator[Difference]:
    """Yield what differs and may not: its name, the old and the new value."""
    for name in FIXED + tuple(name for name in LATER if name in old):
        if old[name] != new[name]:
            yield name, old[name], new[name]
    before, after = old["recipe"], new["recipe"]
    names = [[stage["name"] for stage in recipe["stages"]] for recipe in (before, after)]
    if names[0] != names[1]:
        yield "stages", names[0], names[1]
    for name in after:
        if name != "stages" and before.get(name, after[name]) != after[name]:
            yield name, before[name], after[name]
    timed = new["minutes"] is not None
    begun = len(names[0]) if timed else position.stage + (position.step > 0)
    stages = list(zip(before["stages"], after["stages"], strict=False))
    for index, (first, second) in enumerate(stages[:begun]):
        current = index == position.stage and not timed
        constant = second["learning_rate"] == second["final_learning_rate"]
        for name in second:
            longer = name == "steps" and current and constant and second[name] >= position.step
            if not longer and first.get(name, second[name]) != second[name]:
                yield f"{name} of stage {second['name']}", first[name], second[name]
