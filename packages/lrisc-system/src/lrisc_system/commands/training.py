"""`lrisc train`, `plan` and `average`.

What takes torch is imported when a command runs, so that its `--help` does not wait for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import Positional, arg

from lrisc_system.options import Model, NewModel
from lrisc_system.training.settings import TrainSettings

ModelFolders = Annotated[
    Positional[tuple[Path, ...]],
    arg(metavar="CHECKPOINT [CHECKPOINT ...]", help_behavior_hint=""),
]


def train(settings: Annotated[TrainSettings, arg(name="")]) -> None:
    """Train a model by the stages of a recipe.

    `lrisc recipes` lists the recipes of every preset and their stages. `lrisc train` trains in one
    process; `accelerate launch -q -m lrisc_system.train` takes the same options and trains in many.
    """
    from lrisc_system.commands.models import find_model
    from lrisc_system.training.trainer import Trainer

    Trainer(settings, find_model(settings.model)).run()


def plan(
    *,
    preset: str = "paper",
    batch_size: int = 16,
    bf16: bool = False,
    model: NewModel = "lrisc",
) -> None:
    """Estimate the memory that training takes.

    A table tells it for several batch sizes, in the last stage, which trains everything.

    Args:
        preset: Preset of the model and of its recipe.
        batch_size: Images per process; smaller batches are listed too.
        bf16: Compute in mixed precision.
    """
    from lrisc_system.commands.models import find_model
    from lrisc_system.training.memory_table import print_plan

    print_plan(
        preset,
        trainable=find_model(model),
        batch_size=batch_size,
        bf16=bf16,
        console=Console(),
    )


def average(
    checkpoints: ModelFolders,
    /,
    *,
    out: Path,
    float16: bool = False,
    model: Model = None,
) -> None:
    """Average the weights of several trained models.

    The models must have one config, and must have been trained from one another or from the same
    weights.

    Args:
        checkpoints: Folders with config.json and model.safetensors; a folder that is named twice
            counts twice.
        out: Write the new model to this folder, which must be new or empty.
        float16: Store it in half the size.
    """
    import torch

    from lrisc_system.commands.models import open_model
    from lrisc_system.storage.checkpoint import save_model
    from lrisc_system.storage.model_soup import average_models
    from lrisc_system.storage.tensors import CheckpointError

    if len(checkpoints) < 2:
        raise ValueError(f"expected at least two models to average, got {len(checkpoints)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"expected a new or an empty output folder, got {out}")
    systems = [open_model(model, folder) for folder in checkpoints]
    for folder, system in zip(checkpoints, systems, strict=True):
        if system.config != systems[0].config:
            raise CheckpointError(f"{folder} has another config than {checkpoints[0]}")
    dtype = torch.float16 if float16 else torch.float32
    save_model(average_models(systems), out, dtype=dtype)
    Console().print(f"{len(checkpoints)} models averaged into {out}")
