import json
import signal
import time

import pytest
import torch
from torch.utils.data import DataLoader

from lrisc_system.data.images import ImageError
from lrisc_system.data.photos import Crop, PhotoCrops
from lrisc_system.decoders import decode_image
from lrisc_system.metrics.quality import psnr
from lrisc_system.training.failures import (
    GRACE_SECONDS,
    TrainingError,
    describe,
    ending_in_one_line,
    report,
)
from lrisc_system.training.interruption import Stopped
from lrisc_system.training.user_code import TRACEBACK, find_user_line


@pytest.fixture
def alone(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "TORCHELASTIC_ERROR_FILE", TRACEBACK):
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


def test_what_may_follow_from_anothers_end_waits_for_the_launcher(alone, slept, capsys):
    with pytest.raises(RuntimeError, match="a bug"):
        end(RuntimeError("a bug"))
    assert slept == []
    alone.setenv("LOCAL_RANK", "1")
    with pytest.raises(SystemExit):
        end(RuntimeError("[pair.cc:554] Connection closed by peer"))
    assert slept == [GRACE_SECONDS, 1]
    assert capsys.readouterr().err == (
        "lrisc: another process of this run has ended, on this machine or another one\n"
    )


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


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_in_one_line(alone, capsys, number, code):
    with pytest.raises(SystemExit) as stop, ending_in_one_line():
        signal.raise_signal(number)
    assert stop.value.code == code
    assert capsys.readouterr().err == f"lrisc: stopped by {number.name}\n"


def test_of_several_processes_the_first_one_says_it(alone, capsys):
    alone.setenv("RANK", "1")
    with pytest.raises(SystemExit) as stop:
        end(Stopped(signal.SIGTERM, "saved"))
    assert stop.value.code == 143
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[alloc] can't allocate memory: you tried 9 bytes")]
)
def test_a_full_memory_is_one_line(alone, capsys, error):
    with pytest.raises(SystemExit):
        end(error)
    assert capsys.readouterr().err.startswith("lrisc: the memory is full: ")


def test_a_bug_of_ours_keeps_its_traceback(alone):
    with pytest.raises(ZeroDivisionError):
        end(ZeroDivisionError())


def decode_with(decoder):
    """Call a decoder from our code."""
    with ending_in_one_line():
        decode_image(decoder, torch.zeros(1, 2, 1, 1), image_size=(16, 16))


class Broken:
    def decode(self, y_hat, *, image_size, generator=None):
        return y_hat.nothing


def test_an_error_in_a_users_part_is_one_line_with_its_place(alone, capsys):
    line = Broken.decode.__code__.co_firstlineno + 1
    with pytest.raises(SystemExit) as stop:
        decode_with(Broken())
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        "lrisc: AttributeError: 'Tensor' object has no attribute 'nothing' "
        f"(at {__file__}:{line}; LRISC_TRACEBACK=1 prints the traceback)\n"
    )
    alone.setenv(TRACEBACK, "1")
    with pytest.raises(AttributeError):
        decode_with(Broken())


def test_installed_code_is_nobodys_own():
    with pytest.raises(ValueError, match="expected two images") as caught:
        psnr(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 5, 5))
    assert find_user_line(caught.value.__traceback__) is None
