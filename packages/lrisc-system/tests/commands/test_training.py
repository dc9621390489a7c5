import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lrisc_system import SynthesisDecoder
from lrisc_system.baselines import DeepJSCC, DeepJSCCConfig
from lrisc_system.commands.models import find_model, open_model
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


PLAIN = """
from entropy_hyperprior import SynthesisTransform
from lrisc_system import LRISC, SynthesisDecoder

def make(config):
    return LRISC(config, decoder=SynthesisDecoder(SynthesisTransform(config.transform)))
"""


def test_an_average_of_models_with_parts_of_ones_own_opens_by_itself(
    lrisc, tmp_path, monkeypatch, photo
):
    (tmp_path / "plain_of_mine.py").write_text(PLAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = find_model("plain_of_mine:make").make_model(TINY)
        save_model(model, tmp_path / f"model{seed}")
    folders = ("model0", "model1")
    code, _, error = lrisc("average", *folders, "--out", "mean", "--model", "plain_of_mine:make")
    assert code == 0, error
    assert type(open_model(None, tmp_path / "mean").decoder) is SynthesisDecoder
    card = json.loads((tmp_path / "mean" / "run.json").read_text())
    assert card["model"] == "plain_of_mine:make"
    assert len(set(card["average_of"])) == 2
    code, output, error = lrisc("plan", "--checkpoint", "mean", "--preset", "tiny")
    assert code == 0, error
    assert "tiny, 64 x 64" in output


def test_an_average_keeps_what_the_run_cards_say(lrisc, checkpoint, other, tmp_path):
    first = tmp_path / "first"
    shutil.copytree(checkpoint, first)
    (first / "run.json").write_text('{"model": "lrisc", "preset": "tiny"}')
    assert lrisc("average", first, other, "--out", tmp_path / "mean")[0] == 0
    card = json.loads((tmp_path / "mean" / "run.json").read_text())
    assert (card["model"], card["preset"]) == ("lrisc", "tiny")


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


def test_plan_takes_the_model_and_the_preset_of_a_checkpoint(lrisc, one_line, tmp_path):
    wider = DeepJSCC(DeepJSCCConfig(reals_per_token=8, widths=(8, 16, 32, 512)))
    wider.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "run.json").write_text('{"model": "deepjscc", "preset": "tiny"}')
    code, output, error = lrisc("plan", "--checkpoint", tmp_path / "model")
    assert code == 0, error
    assert "tiny, 64 x 64, float32: GiB per process" in output
    size = sum(p.nbytes for p in wider.parameters()) / 2**30
    assert f"parameters {size:.2f}" in output
    (tmp_path / "empty").mkdir()
    assert "config.json" in one_line(lrisc("plan", "--checkpoint", tmp_path / "empty"))
