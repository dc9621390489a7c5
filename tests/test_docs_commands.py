"""The commands of the documentation, run one after another as a reader would, page by page.

They run as they stand, but scaled down: planning and recipes with the preset `tiny`, training with
its last stage alone and for a second, evaluation at two points, and everything on the CPU.
`accelerate` launches processes only where the page asks for CPUs. `pip` installs into a folder of
its own, without dependencies. `make` uses this environment. Stand-ins replace the commands of a
cluster. Of the GPU kit, only what needs neither network nor GPU runs: packing the photos.
`test_docs.py` checks every option, also those of the launcher.
"""

import contextlib
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState
from PIL import Image

from lrisc_system import SHIPPED
from lrisc_system.commands.demo import PHOTO
from lrisc_system.training.presets import RECIPES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MODULES = {
    "lrisc": "lrisc_system.commands.main",
    "roi-saliency": "roi_saliency.cli",
    "snr-modulation": "snr_modulation.cli",
}
ACCELERATE = str(Path(sys.executable).parent / "accelerate")
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
SECONDS = 300  # for one command
LINK = """
import torch


def link(image, snr_db):
    deviation = 0.1 * 10 ** (-snr_db / 20).reshape(-1, 1, 1, 1)
    return (image + deviation * torch.randn(image.shape)).clamp(0, 1)
"""
OWN_PARTS = """
import torch
from lrisc_system import LRISC


def with_my_encoder(config):
    return LRISC(config, g_a=torch.nn.Conv2d(3, config.transform.latent_channels, 16, stride=16))
"""


def blocks(page: Path) -> list[str]:
    """List a page's shell blocks."""
    return re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[list[str]]:
    """Split a block into its commands."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


PAGES = [
    pytest.param(page, id=page.relative_to(DOCS).as_posix())
    for page in sorted(DOCS.rglob("*.md"))
    if blocks(page)
]


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A folder with what the pages take for granted, small."""
    monkeypatch.chdir(tmp_path)
    photo = Image.open(PHOTO).resize((192, 128))
    for folder in ("photos", "masks", "kodak", "kodak-masks"):
        Path(folder).mkdir()
    for path in ("photo.jpg", "photos/photo.jpg", "kodak/kodim01.png"):
        photo.save(path)
    for path in ("masks/photo.png", "kodak-masks/kodim01.png"):
        photo.convert("L").save(path)
    shutil.copytree(SHIPPED, "runs/small/model")
    shutil.copytree(ROOT / "configs", "configs")
    Path("my_model.py").write_text(LINK)
    Path("mine.py").write_text(OWN_PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    write_unet(Path("u2net.onnx"))
    return tmp_path


def write_unet(path: Path) -> None:
    """Write a network of U²-Net's kind in ONNX: its map is the image's first colour."""
    import onnx
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 320, 320])
    saliency = helper.make_tensor_value_info("saliency", TensorProto.FLOAT, [1, 1, 320, 320])
    first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
    node = helper.make_node("Gather", ["image", "first"], ["saliency"], axis=1)
    graph = helper.make_graph([node], "first_colour", [image], [saliency], [first])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """Run a command, in this process where that is possible; return its exit code."""
    if ">" in words:
        *words, _, target = words
        with Path(target).open("w") as file, contextlib.redirect_stdout(file):
            return run(words, monkeypatch)
    program, *options = words
    options = on_the_cpu(options)
    if program == "scripts/gpu_kit.sh":
        return pack(options[1:]) if options[0] == "pack" else 0
    if program == "python":
        script = options if options[0] == "-m" else [str(ROOT / options[0]), *options[1:]]
        return finish([sys.executable, *script])
    if program == "pip":
        paths = [path for option in options[1:] for path in expand(option)]
        return finish([*PIP, "--target", str(Path("installed").resolve()), *paths], folder=ROOT)
    if program == "make":
        installed = Path(sys.prefix, ".installed")
        return finish(["make", f"VENV={sys.prefix}", "-o", str(installed), *options], folder=ROOT)
    if program == "accelerate":
        return launch(options, monkeypatch)
    if words[:2] == ["lrisc", "evaluate"]:
        return call(MODULES[program], ["evaluate", *at_two_points(options[1:])], monkeypatch)
    if words[:2] in (["lrisc", "plan"], ["lrisc", "recipes"]):
        return call(MODULES[program], [words[1], *tiny(options[1:])], monkeypatch)
    if words[:2] == ["lrisc", "train"]:
        return call(MODULES[program], ["train", *in_small(options[1:])], monkeypatch)
    return call(MODULES[program], options, monkeypatch)


def on_the_cpu(options: list[str]) -> list[str]:
    """Put the CPU in the place of a GPU."""
    return ["cpu" if word.startswith("cuda") else word for word in options]


def pack(options: list[str]) -> object:
    """Pack photos and masks, without the wheels that the shell script would download."""
    Path(options[0]).mkdir()
    return finish([sys.executable, str(ROOT / "scripts" / "gpu_kit" / "pack.py"), *options])


def launch(options: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """Run `accelerate launch` where it asks for CPUs, or else what it would start."""
    start = options.index("-m") + 2
    own, module, rest = options[:start], options[start - 1], options[start:]
    rest = {"lrisc_system.train": in_small, "lrisc_system.evaluation": at_two_points}[module](rest)
    files = [Path(word) for word in own if word.endswith(".yaml")]
    if "--cpu" in own or any("use_cpu: true" in file.read_text() for file in files):
        return finish([ACCELERATE, *own, *rest])
    return call(module, rest, monkeypatch)


def in_small(options: list[str]) -> list[str]:
    """Scale a training down: the preset `tiny`, one step or one second of the last stage."""
    options = tiny(options)
    if "--accumulate" in options:  # the batches of `tiny` are of two
        options[options.index("--accumulate") + 1] = "2"
    if "--minutes" in options:
        options[options.index("--minutes") + 1] = "0.02"
    if "--resume" not in options:
        shutil.rmtree(options[options.index("--output") + 1], ignore_errors=True)
    if not {"--model", "--first-stage"} & set(options):
        options = [*options, "--first-stage", RECIPES["tiny"].stages[-1].name]
    return [*options, "--steps-scale", "0.5", "--workers", "0", "--validation-photos", "0"]


def tiny(options: list[str]) -> list[str]:
    """Put the preset `tiny` in the place of another."""
    preset = options.index("--preset") + 1
    return [*options[:preset], "tiny", *options[preset + 1 :]]


def at_two_points(options: list[str]) -> list[str]:
    """Scale an evaluation down: two links, the first two if some are named."""
    if "--links" in options:
        first = options.index("--links") + 1
        named = list(takewhile(lambda word: not word.startswith("--"), options[first:]))
        options = [*options[:first], *named[:2], *options[first + len(named) :]]
    else:
        options = [*options, "--links", "lrisc", "linear"]
    return [*options, "--seeds", "1", "--snr-db", "10", "--bandwidths", "0.1"]


def expand(option: str) -> list[str]:
    """Do for `packages/*` what a shell does."""
    return [str(p.relative_to(ROOT)) for p in ROOT.glob(option)] if "*" in option else [option]


def finish(command: list[str], folder: Path | None = None) -> object:
    """Run a command in a process of its own: 0, or what it said when it failed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    return done.stdout + done.stderr if done.returncode else 0


def call(module: str, options: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """Run a main function in this process, with a precision and a device of its own."""
    AcceleratorState._reset_state(reset_partial_state=True)
    monkeypatch.delenv("ACCELERATE_TORCH_DEVICE", raising=False)
    monkeypatch.setattr("sys.argv", [module, *options])
    try:
        importlib.import_module(module).main()
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page, reader, monkeypatch):
    for block in blocks(page):
        if block.startswith("#!"):  # the job has a test of its own
            continue
        for words in commands(block):
            if "received.sigmf-meta" in words:  # the radios stand between
                for suffix in ("meta", "data"):
                    shutil.copy(f"sent.sigmf-{suffix}", f"received.sigmf-{suffix}")
            assert run(words, monkeypatch) == 0, " ".join(words)


# What stands in for the commands of a cluster of two nodes: srun does what the second one would.
STAND_INS = {
    "scontrol": "echo first; echo second",
    "srun": 'SLURM_NODEID=1 exec "$@"',
    "accelerate": 'echo "$@"',
}


def test_a_job_starts_the_launcher_on_every_node(tmp_path):
    page = DOCS / "guides" / "training-on-a-cluster.md"
    (job,) = (block for block in blocks(page) if block.startswith("#!"))
    (node,) = (block for block in blocks(page) if "$SLURM_NODEID" in block and block != job)
    (tmp_path / "node.sh").write_text(node)
    for name, script in STAND_INS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "first,second"}
    done = subprocess.run(
        ["bash", "-e"], input=job, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--machine_rank 1 --main_process_ip first -m lrisc_system.train" in done.stdout
    assert done.stdout.endswith("--output runs/paper --resume\n")
