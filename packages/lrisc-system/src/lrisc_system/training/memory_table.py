"""The tables that `lrisc plan` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from lrisc_system.training.memory import CPU, Plan, plan
from lrisc_system.training.recipes import find_preset
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.setup import split_off_realism
from lrisc_system.training.trainable import TrainableModel

GIB = 2**30


def state_line(plan: Plan) -> str:
    """List the memory that does not depend on the batch size, in GiB."""
    parts = {
        "parameters": plan.parameters,
        "gradients": plan.gradients,
        "Adam": plan.adam,
        "average": plan.average,
        "LPIPS": plan.frozen,
    }
    listed = ", ".join(f"{name} {size / GIB:.2f}" for name, size in parts.items())
    return f"{listed}: {plan.state() / GIB:.2f} GiB at any batch size"


def plan_table(plan: Plan, batch_sizes: Sequence[int], *, title: str) -> Table:
    """Make a table of a plan: a row for each batch size, in GiB."""
    table = Table(title=title)
    for column in ("batch size", "activations", "total", "recomputing", "total"):
        table.add_column(column, justify="right")
    for batch_size in batch_sizes:
        kept = plan.activations(batch_size)
        sizes = (
            size for part in (kept.whole, kept.recomputed) for size in (part, plan.state() + part)
        )
        table.add_row(str(batch_size), *(f"{size / GIB:.2f}" for size in sizes))
    return table


def print_plan(
    preset: str,
    *,
    trainable: TrainableModel[Any],
    batch_size: int,
    bf16: bool,
    console: Console,
    model: nn.Module | None = None,
    device: torch.device = CPU,
) -> None:
    """Print the memory that the last stage of a preset takes, which trains all parameters.

    Args:
        preset: name of the preset.
        trainable: kind of model.
        batch_size: largest batch size of the table, which lists smaller ones too.
        bf16: compute in mixed precision.
        console: console to print on.
        model: model to train; by default a new one of the preset.
        device: device to measure on.

    Raises:
        ValueError: for an unknown preset, or a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"expected a batch size of at least 1, got {batch_size}")
    recipe = find_preset(preset, trainable.recipes())
    sizes = sorted({max(1, batch_size // part) for part in (16, 8, 4, 2, 1)})
    precision = "bf16" if bf16 else "float32"
    # No photo is read and nothing is written: only the preset matters.
    settings = TrainSettings(preset=preset, data=Path(), output=Path())
    model = trainable.make(settings) if model is None else model
    crop = split_off_realism(recipe, model)[0].stages[-1].crop
    made = plan(settings, trainable=trainable, bf16=bf16, model=model, device=device)
    title = f"{preset}, {crop} x {crop}, {precision}: GiB per process"
    console.print(plan_table(made, sizes, title=title))
    console.print(state_line(made))
    console.print("recomputing: with --checkpoint-gradients. Workspaces of kernels come on top.")
