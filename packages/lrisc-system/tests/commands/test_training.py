from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lrisc_system.config import TINY
from lrisc_system.storage.checkpoint import load_model, save_model
from lrisc_system.storage.pretrained import WEIGHTS_NAME
from lrisc_system.storage.tensors import read_tensors
from lrisc_system.system import LRISC


def test_train_asks_for_its_folders(lrisc, one_line, tmp_path):
    (tmp_path / "empty").mkdir()
    result = lrisc(
        *("train", "--preset", "tiny", "--data", tmp_path / "empty", "--output", tmp_path / "run")
    )
    assert "expected images" in one_line(result)


@pytest.fixture
def other(checkpoint, tmp_path):
    """A checkpoint of the same config with other weights."""
    system = load_model(Path(checkpoint))
    with torch.no_grad():
        for parameter in system.g_a.parameters():
            parameter.add_(2.0)
    save_model(system, tmp_path / "other")
    return tmp_path / "other"


@pytest.mark.parametrize(
    ("option", "dtype"), [((), torch.float32), (("--float16",), torch.float16)]
)
def test_an_average_lies_between_its_models(lrisc, checkpoint, other, tmp_path, option, dtype):
    code, output, _ = lrisc("average", checkpoint, other, "--out", tmp_path / "mean", *option)
    assert code == 0
    assert "2 models" in output
    first, mean = (read_tensors(Path(f, WEIGHTS_NAME)) for f in (checkpoint, tmp_path / "mean"))
    name = next(name for name in first if name.startswith("g_a."))
    assert mean[name].dtype == dtype
    torch.testing.assert_close(mean[name].float(), first[name] + 1.0, rtol=0, atol=2e-3)


def test_averages_that_cannot_be(lrisc, one_line, checkpoint, other, tmp_path):
    out = ("--out", tmp_path / "mean")
    assert "two models" in one_line(lrisc("average", checkpoint, *out))
    assert "empty output folder" in one_line(
        lrisc("average", checkpoint, other, "--out", checkpoint)
    )
    save_model(LRISC(replace(TINY, alpha=0.123)), tmp_path / "alpha")
    assert "another config" in one_line(lrisc("average", checkpoint, tmp_path / "alpha", *out))
    assert not (tmp_path / "mean").exists()


def test_train_points_to_the_recipes(lrisc):
    code, output, _ = lrisc("train", "--help")
    assert code == 0
    assert "`lrisc recipes` lists the recipes" in output
    assert "1-prior-codec" not in output


def test_a_bad_recipe_is_one_line(lrisc, one_line, photo, tmp_path):
    (tmp_path / "my.toml").write_text('[[stages]]\nname = "a"\ntrainable = [""]\nstep = 3\n')
    result = lrisc(
        *("train", "--preset", "tiny", "--data", photo.parent, "--output", tmp_path / "run"),
        *("--recipe", tmp_path / "my.toml"),
    )
    error = one_line(result)
    assert "my.toml, table [[stages]] number 1: unknown key 'step', expected steps" in error


@pytest.mark.parametrize("model", ["lrisc", "deepjscc"])
def test_plan_knows_every_model(lrisc, model):
    code, output, error = lrisc("plan", "--preset", "tiny", "--batch-size", 2, "--model", model)
    assert code == 0, error
    assert "tiny, 64 x 64, float32: GiB per process" in output
