"""Every part of one's own that a page shows is trained, saved, loaded, used and evaluated.

A page brings parts by functions of a config, `with_...`, in its Python blocks.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from lrisc_system import SHIPPED, load_model, preset
from lrisc_system.commands.demo import PHOTO
from lrisc_system.commands.models import find_model, open_model
from lrisc_system.evaluation import EvaluateSettings, evaluate
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.trainer import Trainer

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted((ROOT / "docs" / "guides").glob("*.md")),
    ROOT / "README.md",
    *sorted((ROOT / "packages").glob("*/README.md")),
]
BRINGS = re.compile(r"LRISC\(\s*\w*config,\s*\w+=")


def code(page: Path) -> str:
    return "\n".join(
        re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    )


def makers(page: Path) -> list[str]:
    return re.findall(r"^def (with_\w+)\(config\):", code(page), re.MULTILINE)


CASES = [
    pytest.param(page, name, id=f"{page.parent.name}-{page.stem}-{name}")
    for page in PAGES
    for name in makers(page)
]


def test_every_block_that_brings_a_part_has_a_function():
    assert len(CASES) == 4
    for page in PAGES:
        assert len(BRINGS.findall(code(page))) == len(makers(page)), page


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with photos."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for index in range(2):
        Image.open(PHOTO).resize((96 - 8 * index, 80)).save(tmp_path / "photos" / f"{index}.png")
    Image.open(PHOTO).resize((96, 80)).save("photo.jpg")
    return tmp_path


@pytest.mark.parametrize(("page", "name"), CASES)
def test_a_part_of_ones_own_goes_all_the_way(page, name, folder, request):
    module = "page_" + re.sub(r"\W", "_", request.node.callspec.id)
    (folder / f"{module}.py").write_text(code(page))
    model = f"{module}:{name}"
    settings = TrainSettings(
        model=model,
        preset="tiny",
        data=folder / "photos",
        output=folder / "run",
        workers=0,
        validation_photos=1,
    )
    Trainer(settings, find_model(model)).run()  # two steps of every stage

    trained = folder / "run" / "model"
    system = open_model(None, trained)  # the run card says what it is
    make = find_model(model).make_model
    again = load_model(str(trained), make_model=make)
    for own, other in zip(system.state_dict().items(), again.state_dict().items(), strict=True):
        assert own[0] == other[0]
        assert torch.equal(own[1], other[1])
    fresh = make(preset("tiny"))
    own_parts = {
        type(part).__name__
        for part in (fresh.g_a, fresh.decoder, fresh.detector)
        if not type(part).__module__.startswith(("entropy_hyperprior", "cond_diffusion", "roi_"))
    }
    assert own_parts  # it brings one

    image = torch.rand(1, 3, 50, 70)
    received, packet = system.transmit(image, 10.0, generator=torch.Generator().manual_seed(0))
    assert received.shape == image.shape
    assert torch.equal(again.receive(packet, 10.0), system.receive(packet, 10.0))

    evaluation = EvaluateSettings(
        data=folder / "photos",
        out=folder / "results",
        links=("lrisc",),
        checkpoint=trained,
        snr_db=(10.0,),
        cbr=0.1,
        bandwidths=(),
        seeds=1,
        picture_cbr=0.1,
    )
    rows = evaluate(evaluation, console=Console(quiet=True), open_model=open_model)
    assert [row.task.link for row in rows] == ["lrisc", "lrisc"]


def test_the_model_that_ships_needs_no_name():
    small = preset("small")
    faithful = replace(small.diffusion, realism=False)  # these weights are older than realism
    assert open_model(None, SHIPPED).config == replace(small, diffusion=faithful)
