"""Check that every package installs and works alone, from its wheel, away from the repository.

    python scripts/check_wheels.py                     # all six, one after another
    python scripts/check_wheels.py snr-modulation      # some of them

For each package: build the wheel; look inside it; install it alone in an empty environment
(lrisc-system finds its siblings among the wheels); import it there; install what its tests need;
run them from a copy outside the repository. Environments hold several gigabytes (torch), so each is
deleted before the next. Exit code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = sorted(path.name for path in (ROOT / "packages").iterdir())
SYSTEM = "lrisc-system"  # the only one with siblings among its requirements
NOT_FOR_TESTS = ("src", "pyproject.toml", "__pycache__", ".*_cache")

# Runs in the new environment: what was imported, from where, and which siblings are there.
PROBE = """
import importlib, importlib.util, json, sys
name, *siblings = sys.argv[1:]
module = importlib.import_module(name)
json.dump({
    "missing": [n for n in module.__all__ if not hasattr(module, n)],
    "files": [f for m in list(sys.modules.values()) if (f := getattr(m, "__file__", None))],
    "siblings": [s for s in siblings if importlib.util.find_spec(s)],
}, sys.stdout)
"""


class CheckError(RuntimeError):
    """A check failed; the message says what was expected and what came."""


def module_of(package: str) -> str:
    """Name the module of a package: snr-modulation -> snr_modulation."""
    return package.replace("-", "_")


def build_wheels(folder: Path) -> dict[str, Path]:
    """Build the wheels of all packages into a folder and return them by package."""
    for package in PACKAGES:
        run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", folder,
            ROOT / "packages" / package, cwd=folder)  # fmt: skip
    return {package: next(folder.glob(f"{module_of(package)}-*.whl")) for package in PACKAGES}


def inspect_wheel(wheel: Path, package: Path, *, root: Path = ROOT) -> list[str]:
    """List what is wrong inside a wheel; an empty list is good news.

    Args:
        wheel: the wheel's file.
        package: the folder it was built from, with README.md, LICENSE and src/.
        root: the repository, whose path nothing in the wheel may name.
    """
    module = module_of(package.name)
    source = package / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / module).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    problems = []
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    if f"{module}/py.typed" not in contents:
        problems.append("no py.typed")
    inside = {name for name in contents if name.startswith(f"{module}/")}
    if inside != expected:
        problems.append(f"files differ from src/: {sorted(inside ^ expected)}")
    licence = (package / "LICENSE").read_bytes()
    if not any(".dist-info/" in name and data == licence for name, data in contents.items()):
        problems.append("no licence")
    message = metadata_of(wheel)
    if (package / "README.md").read_text().strip() != str(message.get_payload()).strip():
        problems.append("the README is not the long description")
    if message["License-Expression"] != "MIT":
        problems.append(f"expected the licence MIT, got {message['License-Expression']}")
    naming = [name for name, data in contents.items() if str(root).encode() in data]
    if naming:
        problems.append(f"the repository's path is in {naming}")
    return problems


def check_alone(package: str, wheels: dict[str, Path], folder: Path) -> str:
    """Install a package's wheel in an empty environment below `folder`, import it, test it.

    Returns:
        What its tests say at the end, and what they skipped.
    """
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    wheel = wheels[package]
    links = ("--find-links", wheel.parent) if package == SYSTEM else ()
    run(python, "-m", "pip", "install", "--quiet", *links, wheel, cwd=folder)

    siblings = [module_of(other) for other in PACKAGES if other != package]
    found = json.loads(run(python, "-I", "-c", PROBE, module_of(package), *siblings, cwd=folder))
    if found["missing"]:
        raise CheckError(f"names of __all__ are missing: {found['missing']}")
    if outside := [file for file in found["files"] if Path(file).is_relative_to(ROOT)]:
        raise CheckError(f"imported from the repository: {outside}")
    if package == SYSTEM:
        for other, sibling in wheels.items():
            check_installed(sibling, folder / "venv", package=other)
    elif found["siblings"]:
        raise CheckError(f"siblings came along: {found['siblings']}")

    extras = ",".join(metadata_of(wheel).get_all("Provides-Extra", []))
    run(python, "-m", "pip", "install", "--quiet", *links, "pytest",
        f"{wheel}[{extras}]" if extras else wheel, cwd=folder)  # fmt: skip
    copy = folder / package
    ignore = shutil.ignore_patterns(*NOT_FOR_TESTS)
    shutil.copytree(ROOT / "packages" / package, copy, ignore=ignore)
    (copy / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    report = run(python, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests", cwd=copy)
    lines = report.strip().splitlines()
    return "\n  ".join([lines[-1], *(line for line in lines if line.startswith("SKIPPED"))])


def check_installed(wheel: Path, environment: Path, *, package: str) -> None:
    """Raise CheckError unless what is installed is the wheel's, not a namesake of a registry."""
    name = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/RECORD"
    installed = next(environment.rglob(name), None)
    with zipfile.ZipFile(wheel) as archive:
        lines = {line for line in archive.read(name).decode().split() if ",sha256=" in line}
    if installed is None or not lines <= set(installed.read_text().split()):
        raise CheckError(f"{package} was not installed from {wheel.name}")


def metadata_of(wheel: Path) -> Message:
    """Read a wheel's metadata; the long description is its payload."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_string(archive.read(name).decode())


def run(*command: object, cwd: Path) -> str:
    """Run a command outside the repository and return what it printed, or raise CheckError."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    environment.setdefault("OMP_NUM_THREADS", "1")  # more threads than cores are slower
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise CheckError(f"{' '.join(map(str, command))}\n{tail}")
    return done.stdout


def main() -> int:
    """Check the packages named on the command line, all of them by default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=", ".join(PACKAGES))
    chosen = parser.parse_args().packages or PACKAGES
    if unknown := set(chosen) - set(PACKAGES):
        parser.error(f"expected packages of {PACKAGES}, got {sorted(unknown)}")

    broken = []
    with tempfile.TemporaryDirectory(prefix="wheels-") as name:
        wheels = build_wheels(Path(name))
        for package in chosen:
            start = time.monotonic()
            try:
                if problems := inspect_wheel(wheels[package], ROOT / "packages" / package):
                    raise CheckError("; ".join(problems))
                with tempfile.TemporaryDirectory(prefix=f"{package}-") as folder:
                    outcome = f"ok, {check_alone(package, wheels, Path(folder))}"
            except CheckError as error:
                broken.append(package)
                outcome = f"BROKEN\n{error}"
            print(f"{package} ({time.monotonic() - start:.0f} s): {outcome}", flush=True)
    print(f"{len(chosen) - len(broken)} passed, {len(broken)} failed")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
