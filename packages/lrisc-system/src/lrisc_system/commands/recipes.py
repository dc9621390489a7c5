"""`lrisc recipes`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from rich.console import Console
from rich.table import Table
from tyro.conf import arg

from lrisc_system.options import NewModel
from lrisc_system.training.recipe_files import write_recipe
from lrisc_system.training.recipes import Recipe, Stage, find_preset


def recipes(
    *,
    preset: Annotated[
        str | None, arg(metavar="NAME", help_behavior_hint="(default: all presets)")
    ] = None,
    as_: Annotated[Literal["tables", "toml"], arg(name="as")] = "tables",
    model: NewModel = "lrisc",
) -> None:
    """List the recipes of training and their stages.

    Args:
        preset: List the recipe of this preset only.
        as_: Print tables to read, or a recipe in TOML to change and to train with: `lrisc train
            --recipe FILE`.
    """
    from lrisc_system.commands.models import find_model

    known = find_model(model).recipes()
    chosen = known if preset is None else {preset: find_preset(preset, known)}
    PRINT[as_](chosen, model)


def print_tables(chosen: Mapping[str, Recipe], model: str) -> None:
    """Print a table for every preset, a row for every stage."""
    for preset, recipe in chosen.items():
        Console().print(recipe_table(recipe, title=f"--model {model} --preset {preset}"))


def print_toml(chosen: Mapping[str, Recipe], model: str) -> None:
    """Print one recipe as TOML.

    Raises:
        ValueError: if there are several.
    """
    if len(chosen) != 1:
        raise ValueError(f"expected --preset with --as toml, one of {', '.join(chosen)}")
    ((preset, recipe),) = chosen.items()
    print(write_recipe(recipe, title=f"lrisc recipes --model {model} --preset {preset}"), end="")


PRINT: dict[str, Callable[[Mapping[str, Recipe], str], None]] = {
    "tables": print_tables,
    "toml": print_toml,
}


def recipe_table(recipe: Recipe, *, title: str) -> Table:
    """Lay out a recipe: a row for every stage, the loss below."""
    networks = " + ".join(f"LPIPS-{name}" for name in recipe.perceptual)
    caption = (
        f"lambda_rate {recipe.lambda_rate:g}, lambda_perceptual {recipe.lambda_perceptual:g} on "
        f"{networks}, magnification up to {recipe.magnification}"
    )
    table = Table("stage", title=title, caption=caption)
    for column in ("steps", "batch size", "crop", "learning rate", "SNR dB"):
        table.add_column(column, justify="right")
    for stage in recipe.stages:
        table.add_row(
            stage.name,
            str(stage.steps),
            str(stage.batch_size),
            str(stage.crop),
            f"{stage.learning_rate:g} to {stage.final_learning_rate:g}",
            describe_channel(stage),
        )
    return table


def describe_channel(stage: Stage) -> str:
    """Describe the range of SNR in dB of a stage."""
    low, high = stage.snr_db
    if stage.clean_share == 1:
        return "no channel"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
