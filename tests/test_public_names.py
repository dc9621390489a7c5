"""The names that users import are those of docs/public-names.txt, no fewer and no more."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = ROOT / "docs" / "public-names.txt"
MODULES = sorted(path.name.replace("-", "_") for path in (ROOT / "packages").iterdir())


def listed(text: str) -> dict[str, set[str]]:
    """Read `module.name` lines: the names of each module."""
    names: dict[str, set[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            module, _, name = line.partition(".")
            names.setdefault(module, set()).add(name)
    return names


def test_the_list_is_read_line_by_line():
    assert listed("# a note\n\na.X\na.y\nb.Z\n") == {"a": {"X", "y"}, "b": {"Z"}}


def test_every_package_is_listed():
    assert sorted(listed(NAMES.read_text())) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_public_names(module):
    promised = listed(NAMES.read_text())[module]
    package = importlib.import_module(module)
    gone = sorted(name for name in promised if not hasattr(package, name))
    assert not gone, f"gone from {module}; users' imports break: {gone}"
    exported = set(package.__all__)
    assert exported == promised, f"list in {NAMES.name} what changed: {sorted(exported ^ promised)}"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_exported_twice(module):
    exported = importlib.import_module(module).__all__
    assert len(exported) == len(set(exported))
