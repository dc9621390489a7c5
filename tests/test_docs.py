"""The documentation builds without a warning, its code runs, and its commands exist."""

import contextlib
import importlib
import importlib.util
import io
import os
import re
import shlex
import warnings
from pathlib import Path

import pytest
from PIL import Image

from lrisc_system.commands.demo import PHOTO

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a language, with empty lines before them so that line numbers fit."""
    text = page.read_text()
    fences = [fence for fence in FENCE.finditer(text) if fence[1] == language]
    return ["\n" * text.count("\n", 0, fence.start(2)) + fence[2] for fence in fences]


def pages_with(language: str) -> list:
    found = [page for page in PAGES if blocks(page, language)]
    return [pytest.param(page, id=page.relative_to(DOCS).as_posix()) for page in found]


@pytest.mark.parametrize("page", pages_with("python"))
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.open(PHOTO).save("photo.jpg")
    names = {"__name__": "page"}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), names)


# Shell: every program is known, and every option is one that the program names itself.

# What accelerate launches, and where its main function is.
LAUNCHED = {
    "lrisc_system.train": "lrisc_system.train",
    "lrisc_system.evaluation": "lrisc_system.evaluation.__main__",
}
UNCHECKED = {"bash", "export", "pip", "srun"}
OPTION = re.compile(r"--[a-z][\w-]*")


def commands(block: str) -> list[list[str]]:
    """Split a shell block into commands; variables stand for a number."""
    text = re.sub(r"\$(\w+|\(\(.*?\)\)|\(.*?\)(?=\n|$))", "1", block.replace("\\\n", " "))
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


def help_of(module: str, *arguments: str) -> str:
    """Return what a command line prints for `--help`, in this process: imports take seconds."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setenv("COLUMNS", "200")
        patch.setattr("sys.argv", ["command", *arguments, "--help"])
        with pytest.raises(SystemExit) as stop:
            importlib.import_module(module).main()
    assert stop.value.code in (0, None), f"{module} {arguments} is no command"
    return out.getvalue()


def unknown_options(words: list[str], help_text: str) -> list[str]:
    known = set(OPTION.findall(help_text))
    return [word for word in words if OPTION.fullmatch(word) and word not in known]


def check_subcommand(module: str, words: list[str]) -> None:
    subcommand = words[1]
    assert unknown_options(words[2:], help_of(module, subcommand)) == [], words


def check_accelerate(words: list[str]) -> None:
    """Parse the launcher's own options strictly; look those of the module up in its help."""
    from accelerate.commands.launch import launch_command_parser

    assert words[1] == "launch"
    launch = launch_command_parser().parse_args(words[2:])
    assert launch.module
    main = LAUNCHED[launch.training_script]
    assert launch.config_file is None or (ROOT / launch.config_file).is_file(), words
    options = launch.training_script_args
    assert unknown_options(options, help_of(main)) == [], words


def check_make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert words[1] in targets, words


def check_python(words: list[str]) -> None:
    """A script of the repository, options and all; or a module, by its help."""
    if words[1] == "-m":
        assert importlib.util.find_spec(words[2]) is not None, words
        return
    script = ROOT / words[1]
    assert script.is_file(), words
    assert [word for word in words if OPTION.match(word) and word not in script.read_text()] == []


def check_gpu_kit(words: list[str]) -> None:
    """Look the options up in the action's script; `run` passes others on to the training."""
    script = (ROOT / "scripts" / "gpu_kit" / f"{words[1]}.py").read_text()
    training = help_of("lrisc_system.train") if words[1] == "run" else ""
    assert unknown_options(words[2:], script + training) == [], words


CHECKS = {
    "scripts/gpu_kit.sh": check_gpu_kit,
    "lrisc": lambda words: check_subcommand("lrisc_system.commands.main", words),
    "roi-saliency": lambda words: check_subcommand("roi_saliency.cli", words),
    "snr-modulation": lambda words: check_subcommand("snr_modulation.cli", words),
    "accelerate": check_accelerate,
    "make": check_make,
    "python": check_python,
}


@pytest.mark.parametrize("page", pages_with("sh"))
def test_the_commands_of_a_page_exist(page):
    for block in blocks(page, "sh"):
        for words in commands(block):
            if words[0] not in UNCHECKED:
                CHECKS[words[0]](words)


def test_a_shell_block_is_split_into_commands():
    block = '# note\nexport A=$((B * C))\nrun --x $B \\\n    "a b"  # why\n'
    assert commands(block) == [["export", "A=1"], ["run", "--x", "1", "a b"]]


def test_an_action_that_the_gpu_kit_lacks_is_found():
    with pytest.raises(FileNotFoundError):
        check_gpu_kit(["scripts/gpu_kit.sh", "unpack"])
    with pytest.raises(AssertionError):
        check_gpu_kit(["scripts/gpu_kit.sh", "join", "--sneed"])


def test_a_wrong_option_is_found():
    assert unknown_options(["--seed", "3", "--sneed", "-x"], "--seed INT, --steps") == ["--sneed"]


# The site.


@pytest.mark.parametrize("package", sorted((ROOT / "packages").iterdir()), ids=lambda p: p.name)
def test_a_package_page_documents_every_public_name(package):
    page = (DOCS / "packages" / f"{package.name}.md").read_text()
    documented = re.findall(r"^\.\. (?:auto\w+|py:data):: (\w+)$", page, re.MULTILINE)
    public = importlib.import_module(package.name.replace("-", "_")).__all__
    assert sorted(documented) == sorted(public)


def test_the_tree_of_the_system_names_files_that_exist():
    page = (DOCS / "packages" / "lrisc-system.md").read_text()
    section = re.search(r"^## Where things are$(.*?)^## ", page, re.DOTALL | re.MULTILINE)[1]
    source = ROOT / "packages" / "lrisc-system" / "src" / "lrisc_system"
    folders = re.findall(r"^  (\w+)/ ", section, re.MULTILINE)
    assert sorted(folders) == sorted(path.parent.name for path in source.glob("*/__init__.py"))
    files = re.findall(r"[\w/]+\.py\b", section)
    assert len(files) > 30
    assert [name for name in files if not list(source.rglob(name))] == []


def test_every_example_is_shown():
    page = (DOCS / "guides" / "examples.md").read_text()
    shown = re.findall(r"literalinclude\} \.\./\.\./examples/(\w+\.py)", page)
    assert sorted(shown) == sorted(path.name for path in (ROOT / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    build = pytest.importorskip("sphinx.cmd.build", reason="needs requirements-docs.txt")
    folder = tmp_path_factory.mktemp("site")
    stderr = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(stderr),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")  # Sphinx's parts about one another
        failed = build.main(["-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(folder)])
    assert not failed, stderr.getvalue()
    return folder


def test_the_site_asks_nothing_of_the_network(site):
    remote = re.compile(
        r"""<(?:link|script|img|iframe)[^>]+(?:href|src)=["']?(?:https?:)?//"""
        r"""|(?:url\(|@import)\s*["']?(?:https?:)?//"""
    )
    files = [path for path in site.rglob("*") if path.suffix in {".html", ".css"}]
    assert len(files) > 10
    assert [path.name for path in files if remote.search(path.read_text())] == []


def test_formulas_become_mathml(site):
    page = (site / "packages" / "cond-diffusion.html").read_text()
    numbers = re.findall(r'equation-number">\((\d+)\)', page)
    assert numbers == ["8", "9", "10", "11"]
    assert page.count("<math") > 10


def test_every_page_is_reached_from_the_first(site):
    index = (site / "index.html").read_text()
    pages = [os.fspath(page.relative_to(DOCS).with_suffix(".html")) for page in PAGES]
    assert [page for page in pages if page != "index.html" and f'href="{page}"' not in index] == []
