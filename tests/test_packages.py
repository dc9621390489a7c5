"""What every package of the house must have."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted((ROOT / "packages").iterdir())
COMPONENTS = [path for path in PACKAGES if path.name != "lrisc-system"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_is_complete(package):
    module = package / "src" / package.name.replace("-", "_")
    for path in (package / "README.md", package / "LICENSE", module / "py.typed"):
        assert path.is_file(), path
    assert list((package / "tests").glob("test_*.py"))
    assert "__all__" in (module / "__init__.py").read_text()


@pytest.mark.parametrize("package", COMPONENTS, ids=lambda path: path.name)
def test_a_component_installs_no_sibling(package):
    text = (package / "pyproject.toml").read_text()
    required = re.search(r"^dependencies = \[(.*?)\]", text, re.DOTALL | re.MULTILINE)
    assert required is not None
    assert not [other.name for other in PACKAGES if f'"{other.name}' in required.group(1)]


def test_the_snr_module_needs_torch_and_einops_at_most():
    text = (ROOT / "packages" / "snr-modulation" / "pyproject.toml").read_text()
    required = re.search(r"^dependencies = \[(.*?)\]", text, re.DOTALL | re.MULTILINE)
    assert required is not None
    names = set(re.findall(r'"([a-z]+)', required.group(1)))
    assert names <= {"torch", "einops"}


# A package that needs CompressAI needs numpy 1, which has no wheels for Python 3.13.
NEEDS_COMPRESSAI = {"entropy-hyperprior", "lrisc-system"}
# Upper bounds stand only where a break is known.
BOUNDED = {"compressai": ">=1.2.6,<1.3"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_says_which_versions_it_runs_with(package):
    text = (package / "pyproject.toml").read_text()
    python = re.search(r'^requires-python = "(.*?)"', text, re.MULTILINE)
    assert python is not None
    needs_compressai = package.name in NEEDS_COMPRESSAI
    assert python.group(1) == (">=3.10,<3.13" if needs_compressai else ">=3.10")
    tables = re.findall(r"^\S+ = \[(.*?)\]$", text, re.DOTALL | re.MULTILINE)
    required = re.findall(
        r'"([a-z][\w-]*)(?:\[\w+\])?([<>=!~][^";]*)?(?:;[^"]*)?"', "\n".join(tables)
    )
    bounds = {name: versions for name, versions in required if "<" in versions}
    assert bounds == (BOUNDED if needs_compressai else {})


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_an_init_only_reexports(package):
    module = package / "src" / package.name.replace("-", "_")
    tree = ast.parse((module / "__init__.py").read_text())
    assert kinds(tree.body) <= {ast.Expr, ast.ImportFrom, ast.Import, ast.Assign}


def kinds(statements: list[ast.stmt]) -> set[type]:
    """Collect the kinds of statements.

    `if TYPE_CHECKING:` counts as what it contains. `__dir__`, which lists names that are imported
    when they are used, does not count.
    """
    found: set[type] = set()
    for node in statements:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            found |= kinds(node.body)
        elif not (isinstance(node, ast.FunctionDef) and node.name == "__dir__"):
            found.add(type(node))
    return found


def test_code_in_an_init_is_found():
    assert kinds(ast.parse("if TYPE_CHECKING:\n    import a\n").body) == {ast.Import}
    assert kinds(ast.parse("if TYPE_CHECKING:\n    a()\nif b:\n    import c\n").body) == {
        ast.Expr,
        ast.If,
    }
    assert kinds(ast.parse("def __dir__(): ...\ndef f(): ...\n").body) == {ast.FunctionDef}
