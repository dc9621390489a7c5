import json
import time

import pytest
from torch.utils.data import DataLoader

from lrisc_system.data.images import ImageError
from lrisc_system.data.photos import Crop, PhotoCrops
from lrisc_system.training.failures import (
    GRACE_SECONDS,
    TrainingError,
    describe,
    ending_in_one_line,
    report,
)


@pytest.fixture
def alone(monkeypatch):
    for name in ("LOCAL_RANK", "TORCHELASTIC_ERROR_FILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def slept(monkeypatch):
    seconds = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


def end(error):
    with ending_in_one_line():
        raise error


@pytest.mark.parametrize("kind", [ValueError, FileNotFoundError, TrainingError])
def test_a_mistake_ends_in_one_line(alone, capsys, kind):
    with pytest.raises(SystemExit) as stop:
        end(kind("no photos"))
    assert stop.value.code == 2
    assert capsys.readouterr().err == "lrisc: no photos\n"


def test_a_launcher_that_collects_errors_prints_the_line_itself(alone, capsys, tmp_path):
    alone.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    report("lrisc: no photos")
    assert capsys.readouterr().err == ""
    told = json.loads((tmp_path / "error.json").read_text())
    assert told["message"] == "lrisc: no photos"
    assert 0 <= time.time() - told["timestamp"] < 60


def test_processes_without_such_a_launcher_speak_in_turn(alone, slept):
    alone.setenv("LOCAL_RANK", "3")
    report("lrisc: no photos")
    assert slept == [3]


def test_what_may_follow_from_anothers_end_waits_for_the_launcher(alone, slept):
    with pytest.raises(RuntimeError, match="a bug"):
        end(RuntimeError("a bug"))
    assert slept == []
    alone.setenv("LOCAL_RANK", "1")
    with pytest.raises(RuntimeError, match="Connection closed by peer"):
        end(RuntimeError("Connection closed by peer"))
    assert slept == [GRACE_SECONDS]


def test_an_error_of_a_loading_process_is_one_line(tmp_path):
    (tmp_path / "a.png").write_text("no photo")
    loader = DataLoader(
        PhotoCrops([tmp_path / "a.png"]),
        sampler=[Crop(0, 0, 8)],
        num_workers=1,
        multiprocessing_context="fork",
    )
    with pytest.raises(ImageError) as caught:
        next(iter(loader))
    assert "\n" in str(caught.value)
    assert describe(caught.value).startswith("none of the 1 photos can be read: ")


def test_an_error_without_words_is_named():
    assert describe(ValueError()) == "ValueError"


def test_an_error_of_several_lines_is_described_by_its_first():
    assert describe(ValueError("what is wrong\nand more of it")) == "what is wrong"
