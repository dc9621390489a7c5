"""What scripts/check_wheels.py finds inside a wheel; the script itself installs six of them."""

import runpy
import zipfile
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "check_wheels.py"))
METADATA = "Name: some-thing\nLicense-Expression: MIT\nProvides-Extra: plot\n\n# Some thing\n"


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "some-thing"
    (folder / "src" / "some_thing").mkdir(parents=True)
    (folder / "src" / "some_thing" / "__init__.py").write_text("x = 1\n")
    (folder / "src" / "some_thing" / "py.typed").touch()
    (folder / "README.md").write_text("# Some thing\n")
    (folder / "LICENSE").write_text("MIT License\n")
    return folder


@pytest.fixture
def contents():
    info = "some_thing-1.0.dist-info"
    return {
        "some_thing/__init__.py": "x = 1\n",
        "some_thing/py.typed": "",
        f"{info}/METADATA": METADATA,
        f"{info}/RECORD": "some_thing/__init__.py,sha256=abc,6\nsome_thing/py.typed,sha256=d,0\n",
        f"{info}/licenses/LICENSE": "MIT License\n",
    }


def write_wheel(folder, contents):
    wheel = folder / "some_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in contents.items():
            archive.writestr(name, text)
    return wheel


def test_a_complete_wheel_has_no_problem(package, contents, tmp_path):
    wheel = write_wheel(tmp_path, contents)
    assert SCRIPT["inspect_wheel"](wheel, package, root=tmp_path) == []
    assert SCRIPT["metadata_of"](wheel).get_all("Provides-Extra") == ["plot"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("some_thing/py.typed", None, "no py.typed"),
        ("some_thing/__init__.py", None, "files differ from src/: ['some_thing/__init__.py']"),
        ("some_thing-1.0.dist-info/licenses/LICENSE", None, "no licence"),
        (
            "some_thing-1.0.dist-info/METADATA",
            METADATA.replace("# Some", "# Another"),
            "the README is not the long description",
        ),
        (
            "some_thing-1.0.dist-info/METADATA",
            METADATA.replace("MIT", "GPL-3.0"),
            "expected the licence MIT, got GPL-3.0",
        ),
    ],
)
def test_what_is_missing_is_named(package, contents, tmp_path, name, text, problem):
    contents = {key: value for key, value in contents.items() if key != name}
    if text is not None:
        contents[name] = text
    found = SCRIPT["inspect_wheel"](write_wheel(tmp_path, contents), package, root=tmp_path)
    assert problem in found


def test_the_repository_must_not_be_named(package, contents, tmp_path):
    contents["some_thing/__init__.py"] = f"x = {str(tmp_path)!r}\n"
    (problem,) = SCRIPT["inspect_wheel"](write_wheel(tmp_path, contents), package, root=tmp_path)
    assert problem == "the repository's path is in ['some_thing/__init__.py']"


def test_a_namesake_from_a_registry_is_noticed(contents, tmp_path):
    wheel = write_wheel(tmp_path, contents)
    record = tmp_path / "venv" / "some_thing-1.0.dist-info" / "RECORD"
    record.parent.mkdir(parents=True)
    record.write_text(contents["some_thing-1.0.dist-info/RECORD"])
    SCRIPT["check_installed"](wheel, tmp_path / "venv", package="some-thing")
    record.write_text("some_thing/__init__.py,sha256=other,6\n")
    with pytest.raises(SCRIPT["CheckError"], match="some-thing was not installed from"):
        SCRIPT["check_installed"](wheel, tmp_path / "venv", package="some-thing")


def test_a_failing_command_shows_its_end(tmp_path):
    with pytest.raises(SCRIPT["CheckError"], match="no such luck"):
        SCRIPT["run"]("bash", "-c", "echo no such luck >&2; exit 3", cwd=tmp_path)
