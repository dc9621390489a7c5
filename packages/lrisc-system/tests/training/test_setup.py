import sys
from dataclasses import replace

import pytest

from lrisc_system import LRISC, train
from lrisc_system.config import TINY
from lrisc_system.training.recipes import Recipe, Stage
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.setup import check_parts, check_stages, list_photos


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "empty"}, "expected images"),
        ({"data": "nowhere"}, "expected a folder of images"),
        ({"stream": "empty"}, "expected tar shards"),
        ({"masks": "empty"}, "expected a mask for every photo"),
        ({"preset": "huge"}, "expected a preset of"),
        ({"accumulate": "3"}, "divides by processes times accumulation, got 3"),
        ({"first-stage": "4"}, "expected a first stage of ['0-hyperprior', "),
        ({"only": "decodr"}, "'jscc_encoder', 'smooth_mask'], got 'decodr'"),
        ({"start-from": "empty"}, "is damaged or no safetensors file"),
        ({"perceptual": "vgg", "vgg": "nowhere.pth"}, "nowhere.pth: expected a file of backbone"),
        ({"reals-per-token": "16"}, "expected no reals_per_token for LRISC"),
        ({"model": "deepjscc", "lambda-perceptual": "2"}, "no lambda_perceptual for deepjscc"),
        ({"model": "deepjscc", "perceptual": "vgg"}, "no perceptual for deepjscc"),
        ({"seed": "9" * 20}, "expected an integer from"),
        ({"steps-scale": "1e30"}, "expected steps of at most"),
        ({"log-with": "ouija"}, "expected a tracker of"),
        ({"log-with": "wandb"}, "pip install 'wandb'"),
    ],
)
def test_a_users_mistake_is_one_line(folder, tmp_path, monkeypatch, capfd, change, message):
    (tmp_path / "empty").mkdir()
    options = {"preset": "tiny", "data": str(folder), "output": "run", **change}
    monkeypatch.chdir(tmp_path)
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    with pytest.raises(SystemExit) as stop:
        train.main()
    assert stop.value.code == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("lrisc: ")
    assert message in error


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (
            Stage("s", trainable=("nosuch", "hyperprior")),
            r"stage s: expected parts that the model has, \['decoder'.*\], got 'nosuch'",
        ),
        (
            Stage("s", trainable=("",), frozen=("jscc_encoder.snr_adaptor",)),
            "stage s: .*got 'jscc_encoder.snr_adaptor'",
        ),
    ],
)
def test_a_recipe_file_names_parts_that_the_model_has(tmp_path, stage, message):
    settings = TrainSettings(
        preset="tiny", data=tmp_path, output=tmp_path, recipe=tmp_path / "my.toml"
    )
    with pytest.raises(ValueError, match=message):
        check_parts(Recipe((stage,)), settings, LRISC(TINY))
    check_parts(Recipe((Stage("s", trainable=("g_a",)),)), settings, LRISC(TINY))


def test_results_and_masks_among_the_photos_are_none(tmp_path):
    for name in ("a.png", "b/a.png", "masks/a.png", "masks/b/a.png", "run/pictures/x.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    settings = TrainSettings(
        preset="tiny", data=tmp_path, output=tmp_path / "run", masks=tmp_path / "masks"
    )
    found, masks = list_photos(settings)
    assert found == [tmp_path / "a.png", tmp_path / "b" / "a.png"]
    assert [masks[photo] for photo in found] == [
        tmp_path / "masks" / "a.png",
        tmp_path / "masks" / "b" / "a.png",
    ]
    with pytest.raises(ValueError, match="expected another folder for the output than for photos"):
        list_photos(replace(settings, output=tmp_path))


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (
            Stage("s", trainable=("",), crop=50),
            "stage s: expected a crop that divides by 16",
        ),
        (Stage("s", trainable=("",), snr_db=(0.0, 90.0)), r"an SNR in \[-20, 40\] dB, got 90"),
        (Stage("s", trainable=("",), batch_size=3), "that divides by processes times accumulation"),
    ],
)
def test_stages_that_cannot_be_trained_are_refused(stage, message):
    with pytest.raises(ValueError, match=message):
        check_stages(Recipe((stage,)), parts=2)
