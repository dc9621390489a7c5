import pytest

from lrisc_system.baselines.deepjscc.trainable import DeepJSCCFamily
from lrisc_system.commands.models import FAMILIES, find_family, open_model, recorded_model
from lrisc_system.config import TINY
from lrisc_system.system import LRISC
from lrisc_system.training.lrisc import LRISCFamily
from lrisc_system.training.run_card import CARD_NAME
from lrisc_system.training.settings import TrainSettings


def settings(tmp_path, **options):
    return TrainSettings(preset="tiny", data=tmp_path, output=tmp_path / "run", **options)


def test_families_are_found_by_name():
    assert isinstance(find_family("lrisc"), LRISCFamily)
    assert isinstance(find_family("deepjscc"), DeepJSCCFamily)


def test_a_function_in_the_current_folder_makes_the_model(tmp_path, monkeypatch):
    code = "from lrisc_system.system import LRISC\n\nclass Mine(LRISC):\n    pass\n"
    (tmp_path / "module_of_mine.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["elsewhere"])
    model = find_family("module_of_mine:Mine").make(settings(tmp_path))
    assert type(model).__name__ == "Mine"
    assert isinstance(model, LRISC)
    assert model.config == TINY


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
        find_family(name)


@pytest.mark.parametrize("name", FAMILIES)
def test_an_unknown_preset_is_refused(name, tmp_path):
    family = find_family(name)
    assert "tiny" in family.recipes()
    unknown = TrainSettings(preset="huge", data=tmp_path, output=tmp_path)
    with pytest.raises(ValueError, match=r"expected a preset of .*, got .huge."):
        family.make(unknown)


def test_a_checkpoint_without_a_run_card_is_of_lrisc(tmp_path):
    assert recorded_model(tmp_path) == "lrisc"


def test_the_run_card_names_the_model(tmp_path):
    (tmp_path / CARD_NAME).write_text('{"model": "deepjscc"}')
    assert recorded_model(tmp_path) == "deepjscc"
    with pytest.raises(ValueError, match="a model that sends packets, got deepjscc"):
        open_model(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_run_card_is_refused(tmp_path, text):
    (tmp_path / CARD_NAME).write_text(text)
    with pytest.raises(ValueError, match=r"run\.json: expected the run card of a training"):
        recorded_model(tmp_path)
