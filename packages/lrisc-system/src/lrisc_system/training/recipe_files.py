"""Recipes as TOML files: keys of the recipe first, then a table [[stages]] for each stage."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from lrisc_system.training.recipes import Recipe, Stage

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Made = TypeVar("Made", Recipe, Stage)
STAGES = "stages"


@dataclass(frozen=True)
class Kind:
    """A type that a key of a recipe may have.

    Args:
        name: what a message calls it.
        accepts: whether a value of the file is of it.
        convert: the value as the recipe holds it.
    """

    name: str
    accepts: Callable[[Any], bool]
    convert: Callable[[Any], Any]


def is_number(value: object) -> bool:
    """Say whether a value is a number; for Python, booleans are integers too."""
    return type(value) in (int, float)


KINDS: dict[Any, Kind] = {
    bool: Kind("true or false", lambda value: type(value) is bool, bool),
    int: Kind("an integer", lambda value: type(value) is int, int),
    float: Kind("a number", is_number, float),
    str: Kind("a string", lambda value: type(value) is str, str),
    tuple[str, ...]: Kind(
        "a list of strings",
        lambda value: type(value) is list and all(type(item) is str for item in value),
        tuple,
    ),
    tuple[float, float]: Kind(
        "a list of two numbers",
        lambda value: type(value) is list and len(value) == 2 and all(map(is_number, value)),
        lambda value: tuple(map(float, value)),
    ),
}


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file.

    Raises:
        ValueError: the file is no TOML, or a key is unknown, missing, of another type or out of
            range; the message names the file, the table and the key.
        OSError: the file can't be read.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are
        raise ValueError(f"{path}: {error}") from error
    tables = content.pop(STAGES, [])
    if type(tables) is not list or any(type(table) is not dict for table in tables):
        raise ValueError(f"{path}: expected a table [[{STAGES}]] for each stage")
    stages = tuple(
        _make(Stage, table, where=f"{path}, table [[{STAGES}]] number {number}")
        for number, table in enumerate(tables, start=1)
    )
    return _make(Recipe, content, where=str(path), stages=stages)


def write_recipe(recipe: Recipe, *, title: str) -> str:
    """Write a recipe as TOML, every key with its value; `read_recipe` gives an equal one.

    Args:
        recipe: to write.
        title: comment at the top, one line.
    """
    parts = [[f"# {title}", *_lines(recipe)]]
    parts += [[f"[[{STAGES}]]", *_lines(stage)] for stage in recipe.stages]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _make(cls: type[Made], table: Mapping[str, Any], *, where: str, **given: Any) -> Made:
    """Build a recipe or a stage from a table, and what else is given."""
    hints = get_type_hints(cls)
    names = [field.name for field in fields(cls) if field.name not in given and field.name in hints]
    values = dict(given)
    for key, value in table.items():
        if key not in names:
            near = difflib.get_close_matches(key, names) or names
            raise ValueError(f"{where}: unknown key {key!r}, expected {' or '.join(near)}")
        kind = KINDS[hints[key]]
        if not kind.accepts(value):
            raise ValueError(f"{where}: expected {kind.name} for {key}, got {value!r}")
        values[key] = kind.convert(value)
    for field in fields(cls):
        if field.default is MISSING and field.name not in values:
            raise ValueError(f"{where}: the key {field.name} is missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _lines(part: Recipe | Stage) -> list[str]:
    names = [field.name for field in fields(part) if field.name != STAGES]
    return [f"{name} = {_value(getattr(part, name))}" for name in names]


def _value(value: object) -> str:
    """Write a value as TOML: JSON's strings, numbers and booleans are TOML's too."""
    return json.dumps(value, ensure_ascii=False)
