import json
import sys

import pytest
import torch

from lrisc_system.baselines import DeepJSCC, DeepJSCCConfig
from lrisc_system.commands.models import (
    MODELS,
    find_model,
    kind_of,
    open_link,
    open_model,
)
from lrisc_system.config import TINY
from lrisc_system.storage.checkpoint import save_model
from lrisc_system.storage.shipped import SHIPPED
from lrisc_system.storage.tensors import CheckpointError
from lrisc_system.system import LRISC
from lrisc_system.training.lrisc import TrainableLRISC
from lrisc_system.training.settings import TrainSettings

MINE = """
import torch
from lrisc_system import LRISC

class Fold(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.mix = torch.nn.Conv2d(3, channels, 16, stride=16)

    def forward(self, image):
        return self.mix(image)

def make(config):
    return LRISC(config, g_a=Fold(config.transform.latent_channels))
"""


def settings(tmp_path, **options):
    return TrainSettings(preset="tiny", data=tmp_path, output=tmp_path / "run", **options)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of the current folder, and a folder with the model that it makes."""
    (tmp_path / "module_of_mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [path for path in sys.path if path != str(tmp_path)])
    monkeypatch.delitem(sys.modules, "module_of_mine", raising=False)
    model = find_model("module_of_mine:make").make(settings(tmp_path))
    save_model(model.eval(), tmp_path / "model")
    return tmp_path / "model"


def record(folder, model):
    (folder / "run.json").write_text(json.dumps({"model": model}))


def test_kinds_are_found_by_name():
    assert [find_model(name) for name in MODELS] == list(MODELS.values())
    assert list(MODELS) == ["lrisc", "deepjscc"]


def test_a_function_in_the_current_folder_makes_the_model(mine):
    model = open_model("module_of_mine:make", mine)
    assert type(model.g_a).__name__ == "Fold"
    assert model.config == TINY
    assert not model.training


def test_the_run_card_says_what_made_the_model(mine):
    record(mine, "module_of_mine:make")
    assert type(open_model(None, mine).g_a).__name__ == "Fold"
    assert kind_of("lrisc", mine) is MODELS["lrisc"]  # what is named goes first


def test_without_its_function_a_model_is_one_line(mine):
    with pytest.raises(CheckpointError) as caught:
        open_model(None, mine)
    message = str(caught.value)
    assert "--model module:function" in message
    assert len(message) < 500
    assert "\n" not in message
    record(mine, "gone:make")
    with pytest.raises(CheckpointError, match="was trained with --model gone:make, which is not "):
        open_model(None, mine)
    (mine / "run.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"run\.json is damaged or no run card"):
        open_model(None, mine)


@pytest.mark.parametrize("name", ["os:system", "json.decoder:JSONDecoder"])
def test_a_run_card_alone_runs_nothing_that_is_installed(mine, name):
    record(mine, name)
    with pytest.raises(
        CheckpointError, match=f"--model {name}, which is not in the current folder"
    ):
        open_model(None, mine)


@pytest.fixture
def deepjscc(tmp_path):
    model = DeepJSCC(DeepJSCCConfig(reals_per_token=8, widths=(4, 4, 8, 16)))
    model.save_pretrained(tmp_path / "deepjscc")
    record(tmp_path / "deepjscc", "deepjscc")
    return tmp_path / "deepjscc"


def test_what_sends_no_packets_is_refused_where_packets_are_sent(deepjscc):
    with pytest.raises(CheckpointError, match="that sends packets, got DeepJSCC in"):
        open_model(None, deepjscc)


def test_every_kind_opens_as_a_link(deepjscc, mine):
    image = torch.rand(1, 3, 48, 64)
    for name, folder in ((None, deepjscc), ("module_of_mine:make", mine)):
        link, detector = open_link(name, folder)
        arrival = link.transmit(
            image, 10.0, cbr=None, saliency=detector(image), generator=torch.Generator()
        )
        assert arrival.image.shape == image.shape
        assert arrival.cbr > 0


def test_another_preset_is_refused(mine):
    with pytest.raises(CheckpointError, match="not a checkpoint of the preset 'small'"):
        open_model("module_of_mine:make", mine, expected_preset="small")
    assert open_model("module_of_mine:make", mine, expected_preset="tiny").config == TINY


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("huge", r"\['deepjscc', 'lrisc'\] or module:function, got 'huge'"),
        ("no_such_module:f", "No module named 'no_such_module'"),
        ("lrisc_system.training.recipes:no_such", "no attribute 'no_such'"),
    ],
)
def test_what_is_no_model_is_refused(name, complaint):
    with pytest.raises(ValueError, match=complaint):
        find_model(name)


@pytest.mark.parametrize("name", MODELS)
def test_an_unknown_preset_is_refused(name, tmp_path):
    kind = find_model(name)
    assert "tiny" in kind.recipes()
    unknown = TrainSettings(preset="huge", data=tmp_path, output=tmp_path)
    with pytest.raises(ValueError, match=r"expected a preset of .*, got .huge."):
        kind.make(unknown)


def test_a_model_without_parts_of_its_own_is_made_from_the_config(tmp_path):
    assert type(TrainableLRISC().make(settings(tmp_path))) is LRISC


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("make = 3", "which is of type int"),
        ("def make(config): return None", "to return an LRISC, got NoneType"),
        ("def make(): pass", "raised TypeError: make"),
        ("def make(config): raise KeyError('gone')", r"raised KeyError: 'gone' at .*bad_\d\.py:1"),
        ("def make(:", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_a_function_that_makes_no_model_is_one_line(tmp_path, monkeypatch, body, message, request):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    module = f"bad_{request.node.callspec.indices['body']}"
    (tmp_path / f"{module}.py").write_text(body)
    with pytest.raises(ValueError, match=message) as caught:
        find_model(f"{module}:make").make(settings(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_function_that_is_no_models_is_one_line(mine):
    with pytest.raises(ValueError, match="os:system raised TypeError: ") as caught:
        open_model("os:system", mine)
    assert "\n" not in str(caught.value)


def test_a_kind_and_a_checkpoint_of_another_kind_are_refused(deepjscc):
    with pytest.raises(CheckpointError, match=r"a checkpoint of --model lrisc, got .*deep"):
        open_link("lrisc", deepjscc)
    with pytest.raises(CheckpointError, match=r"--model deepjscc, got .*, which is one of lrisc"):
        open_link("deepjscc", SHIPPED)
