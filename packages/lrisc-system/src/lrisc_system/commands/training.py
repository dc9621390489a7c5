"""`lrisc train`, `plan` and `average`.

Modules that need torch are imported when a command runs, so that `--help` does not wait for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import Positional, arg

from lrisc_system.options import Device, FirstCheckpoint, Model, PacketModel
from lrisc_system.training.settings import TrainSettings

Preset = Annotated[
    str | None,
    arg(
        metavar="NAME",
        help_behavior_hint="(default: the preset that the checkpoint's run.json names, or paper)",
    ),
]
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
    from lrisc_system.commands.outputs import check_output_folder
    from lrisc_system.training.trainer import Trainer

    check_output_folder(settings.output)
    Trainer(settings, find_model(settings.model)).run()


def plan(
    *,
    preset: Preset = None,
    batch_size: int = 16,
    bf16: bool = False,
    checkpoint: FirstCheckpoint = None,
    model: Model = None,
    device: Device = None,
) -> None:
    """Estimate the memory that training takes.

    A table lists several batch sizes. It is for the last stage of the recipe, which trains all
    parameters.

    Args:
        preset: Preset of the recipe, and of the model if it is new.
        batch_size: Largest number of images per process; the table lists smaller ones too.
        bf16: Compute in mixed precision.
    """
    from lrisc_system.commands.models import DEFAULT_MODEL, find_model, kind_of
    from lrisc_system.devices import find_device
    from lrisc_system.storage.checkpoint import recorded_preset
    from lrisc_system.training.memory_table import print_plan

    if checkpoint is None:
        kind, trained, recorded = find_model(model or DEFAULT_MODEL), None, None
    else:
        kind, recorded = kind_of(model, checkpoint), recorded_preset(checkpoint)
        trained = kind.load(checkpoint)
    print_plan(
        preset or recorded or "paper",
        trainable=kind,
        model=trained,
        device=find_device(device),
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
    model: PacketModel = None,
    device: Device = None,
) -> None:
    """Average the weights of several trained models.

    The models must have the same config. Each must continue the training of another one, or all
    must start from the same weights. Write the new model's run.json with the kind of the models, so
    that other commands open the new model without --model.

    Args:
        checkpoints: Folders with config.json and model.safetensors; a folder that is named twice
            has twice the weight.
        out: Write the new model to this folder, which must be new or empty.
        float16: Store the parameters in float16, in half the size.
    """
    import torch

    from lrisc_system.commands.models import DEFAULT_MODEL, open_model
    from lrisc_system.commands.outputs import check_output_folder
    from lrisc_system.devices import find_device
    from lrisc_system.storage.checkpoint import recorded_model, recorded_preset, save_model
    from lrisc_system.storage.model_soup import average_models
    from lrisc_system.storage.tensors import CheckpointError
    from lrisc_system.training.run_card import write_average_card

    if len(checkpoints) < 2:
        raise ValueError(f"expected at least two models to average, got {len(checkpoints)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"expected a new or an empty output folder, got {out}")
    check_output_folder(out)
    found = find_device(device)
    systems = [open_model(model, folder, device=found) for folder in checkpoints]
    for folder, system in zip(checkpoints, systems, strict=True):
        if system.config != systems[0].config:
            raise CheckpointError(f"{folder} has another config than {checkpoints[0]}")
    dtype = torch.float16 if float16 else torch.float32
    save_model(average_models(systems).cpu(), out, dtype=dtype)
    write_average_card(
        out,
        model=model or recorded_model(checkpoints[0]) or DEFAULT_MODEL,
        preset=recorded_preset(checkpoints[0]),
        averaged=checkpoints,
    )
    Console().print(f"{len(checkpoints)} models averaged into {out}")
