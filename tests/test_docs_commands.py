"""The commands of the documentation, run one after another as a reader would, page by page.

What needs a registry, several machines, GPUs or hours of training is checked by `test_docs.py`
alone: `pip` and `make` (which the checks of the wheels and CI run), a cluster's own programs, and
training in presets beyond `tiny`.
"""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from lrisc_system import SHIPPED
from lrisc_system.demo import PHOTO

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MODULES = {
    "lrisc": "lrisc_system.cli",
    "roi-saliency": "roi_saliency.cli",
    "snr-modulation": "snr_modulation.cli",
}
ELSEWHERE = {"#!/bin/bash", "accelerate", "bash", "export", "make", "pip", "srun"}
LINK = """
import torch


def link(image, snr_db):
    return (image + 0.1 * 10 ** (-snr_db / 20) * torch.randn(image.shape)).clamp(0, 1)
"""


def commands(page: Path) -> list[list[str]]:
    """List the commands of a page's shell blocks that one process runs in seconds."""
    found = re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    lines = "\n".join(found).replace("\\\n", " ").splitlines()
    split = [words for line in lines if (words := shlex.split(line, comments=True))]
    return [w for w in split if w[0] not in ELSEWHERE and w[:2] != ["lrisc", "train"]]


PAGES = [
    pytest.param(page, id=page.relative_to(DOCS).as_posix())
    for page in sorted(DOCS.rglob("*.md"))
    if commands(page)
]


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A folder with what the pages take for granted, small."""
    monkeypatch.chdir(tmp_path)
    photo = Image.open(PHOTO).resize((192, 128))
    for folder in ("photos", "kodak", "kodak-masks"):
        Path(folder).mkdir()
    for path in ("photo.jpg", "photos/photo.jpg", "kodak/kodim01.png"):
        photo.save(path)
    photo.convert("L").save("kodak-masks/kodim01.png")
    Path("masks").mkdir()
    shutil.copytree(SHIPPED, "runs/small/model")
    Path("my_model.py").write_text(LINK)
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
    if words[0] == "python":
        script = [sys.executable, str(ROOT / words[1]), *words[2:]]
        return subprocess.run(script, capture_output=True, timeout=120).returncode
    monkeypatch.setattr("sys.argv", words)
    try:
        importlib.import_module(MODULES[words[0]]).main()
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page, reader, monkeypatch):
    for words in commands(page):
        if "sent.sigmf-meta" in words and words[1] == "receive":  # the radios stand between
            for suffix in ("meta", "data"):
                shutil.copy(f"sent.sigmf-{suffix}", f"received.sigmf-{suffix}")
        assert run(words, monkeypatch) == 0, " ".join(words)
