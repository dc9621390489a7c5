import json
import math
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from lrisc_system.checkpoint import load_model
from lrisc_system.failures import TrainingError
from lrisc_system.images import load_image, save_image
from lrisc_system.objective import LossTerms
from lrisc_system.preparation import build_model
from lrisc_system.settings import TrainSettings
from lrisc_system.stages import RECIPES, Stage, learning_rate, rate_scale
from lrisc_system.train import Trainer
from lrisc_system.training_state import Place, list_states, load_place


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few smooth photos, one of them held out for validation."""
    photos = tmp_path_factory.mktemp("photos")
    generator = torch.Generator().manual_seed(0)
    for index in range(60):
        coarse = torch.rand(1, 3, 6, 6, generator=generator)
        save_image(
            torch.nn.functional.interpolate(coarse, size=(80, 72), mode="bicubic"),
            photos / f"photo{index:02d}.png",
        )
    return photos


@pytest.fixture(scope="module")
def settings(folder, tmp_path_factory):
    return TrainSettings(
        preset="tiny",
        data=folder,
        output=tmp_path_factory.mktemp("run"),
        workers=0,
        save_every=1,
        keep=100,
        validation_photos=1,
    )


@pytest.fixture(scope="module")
def finished(settings):
    Trainer(settings).run()
    return settings.output


def test_a_run_ends_in_a_model_that_transmits(finished, folder):
    system = load_model(finished / "model", expected_preset="tiny")
    image = load_image(folder / "photo00.png")
    received, _ = system.transmit(image, 10.0, generator=torch.Generator().manual_seed(0))
    assert (received - image).square().mean() < 0.02


def test_a_run_leaves_curves_and_pictures(finished):
    lines = [json.loads(line) for line in (finished / "curves.jsonl").read_text().splitlines()]
    validations = [line["validation"] for line in lines if "validation" in line]
    assert len(validations) == len(RECIPES["tiny"].stages)
    assert all(math.isfinite(figures["psnr"]) for figures in validations)
    assert len(list((finished / "pictures").glob("*.png"))) == len(validations)


@pytest.mark.parametrize("name", ["stage1-step0000001", "stage1-step0000002"])
def test_a_resumed_run_ends_in_the_same_bits(finished, settings, tmp_path, name):
    """Mid-stage and at a stage's end: Adam's state, the average and the data all go on."""
    shutil.copytree(finished / "checkpoints" / name, tmp_path / "again" / "checkpoints" / name)
    Trainer(replace(settings, output=tmp_path / "again", resume=True)).run()
    first, again = (
        load_file(output / "model" / "model.safetensors")
        for output in (finished, tmp_path / "again")
    )
    assert first.keys() == again.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.mark.parametrize("index", range(5))
def test_only_the_stages_parameters_move(finished, settings, index):
    stage = RECIPES["tiny"].stages[index]
    before, after = (
        load_file(finished / "checkpoints" / str(Place(index, step)) / "model.safetensors")
        for step in (1, 2)
    )
    trained = {name for name, _ in stage.parameters(build_model(settings))}
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert moved <= trained


def test_an_old_run_is_not_overwritten(finished, settings):
    with pytest.raises(ValueError, match="--resume"):
        Trainer(settings).run()


def test_only_the_newest_checkpoints_stay(settings, tmp_path):
    changed = replace(settings, output=tmp_path, keep=2, validation_photos=0)
    Trainer(changed).run()
    assert [load_place(state) for state in list_states(tmp_path / "checkpoints")] == [
        Place(4, 1),
        Place(4, 2),
    ]


def test_a_broken_loss_stops_the_run(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(LossTerms, "first_broken", lambda terms: "roi")
    with pytest.raises(TrainingError, match="roi is not finite in stage 0-hyperprior, step 0"):
        Trainer(replace(settings, output=tmp_path)).run()


def test_a_broken_term_is_named():
    good, bad = torch.tensor(1.0), torch.tensor(math.nan)
    assert LossTerms(good, good, good, good, good).first_broken() is None
    assert LossTerms(good, good, bad, good, good).first_broken() == "roi"


def test_a_batch_that_does_not_divide(settings, tmp_path):
    with pytest.raises(ValueError, match="divides by processes times accumulation, got 3"):
        Trainer(replace(settings, output=tmp_path, accumulate=3)).run()


def test_learning_rate_by_hand():
    stage = Stage("s", trainable=("",), steps=101, learning_rate=1e-3, final_learning_rate=1e-4)
    assert learning_rate(stage, 0) == pytest.approx(1e-3)
    assert learning_rate(stage, 50) == pytest.approx(5.5e-4)  # cos(pi / 2) = 0: the middle
    assert learning_rate(stage, 100) == pytest.approx(1e-4)


def test_the_rate_term_comes_in_slowly():
    stage = Stage("s", trainable=("",), rate_warmup=10)
    assert rate_scale(stage, 0) == pytest.approx(0.1)
    assert rate_scale(stage, 5) == pytest.approx(0.55)
    assert rate_scale(stage, 10) == rate_scale(stage, 500) == 1
