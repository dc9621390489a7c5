from dataclasses import replace
from pathlib import Path

import pytest

from lrisc_system.training.presets import RECIPES
from lrisc_system.training.recipe_files import write_recipe
from lrisc_system.training.recipes import Recipe, Stage
from lrisc_system.training.settings import TrainSettings

SETTINGS = TrainSettings(preset="tiny", data=Path("photos"), output=Path("run"))


def test_a_batch_size_for_all_stages():
    stages = replace(SETTINGS, batch_size=6).adjust(RECIPES["small"]).stages
    assert [stage.batch_size for stage in stages] == [6] * len(RECIPES["small"].stages)


def test_a_learning_rate_for_all_stages_keeps_how_it_falls():
    stages = replace(SETTINGS, learning_rate=1e-4).adjust(RECIPES["small"]).stages
    assert {stage.learning_rate for stage in stages} == {1e-4}
    assert stages[0].final_learning_rate == pytest.approx(1e-5)  # 2e-3 to 2e-4
    assert stages[-1].final_learning_rate == pytest.approx(1e-4 / 200)  # 2e-4 to 1e-6


def test_a_first_and_a_last_stage():
    def names(**options):
        stages = replace(SETTINGS, **options).adjust(RECIPES["small"]).stages
        return [stage.name for stage in stages]

    assert names(last_stage="1-prior-codec") == ["0-hyperprior", "1-prior-codec"]
    assert names(first_stage="4-realism", last_stage="4-realism") == ["4-realism"]
    with pytest.raises(ValueError, match=r"expected a last stage of .*, got '9'"):
        names(last_stage="9")
    with pytest.raises(ValueError, match="last stage from '4-realism' on, got '1-prior-codec'"):
        names(first_stage="4-realism", last_stage="1-prior-codec")


def test_nothing_changes_by_default():
    assert SETTINGS.adjust(RECIPES["small"]) == RECIPES["small"]


def test_a_recipe_from_a_file_takes_the_place_of_the_presets(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(write_recipe(replace(RECIPES["small"], lambda_rate=0.7), title="mine"))
    adjusted = replace(SETTINGS, recipe=path, lambda_perceptual=0.3).adjust(RECIPES["tiny"])
    assert adjusted.stages == RECIPES["small"].stages
    assert (adjusted.lambda_rate, adjusted.lambda_perceptual) == (0.7, 0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": None}, "expected --data or --stream, got neither"),
        ({"save_every": 0}, "expected save_every of at least 1, got 0"),
        ({"batch_size": 0}, "a batch_size of at least 1, got 0"),
        ({"magnification": 0}, "a magnification of at least 1, got 0"),
        ({"learning_rate": -1.0}, "expected learning_rate above 0, got -1"),
        ({"learning_rate": float("nan")}, "expected learning_rate above 0, got nan"),
        ({"steps_scale": float("inf")}, "expected steps_scale above 0, got inf"),
        ({"max_norm": 0.0}, "expected max_norm above 0, got 0"),
        ({"reals_per_token": 0}, "a reals_per_token of at least 1, got 0"),
        ({"seed": 2**64}, "a seed in .*, got 18446744073709551616"),
        ({"minutes": -2.0}, "expected minutes above 0, got -2"),
        ({"validation_photos": -1}, "validation_photos of at least 0, got -1"),
    ],
)
def test_settings_say_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **change)


def test_settings_change_the_recipe():
    changed = replace(SETTINGS, steps_scale=3.0, lambda_rate=0.5).adjust(RECIPES["tiny"])
    assert [stage.steps for stage in changed.stages] == [6] * len(RECIPES["tiny"].stages)
    assert changed.lambda_rate == 0.5
    assert changed.lambda_perceptual == RECIPES["tiny"].lambda_perceptual
    assert changed.perceptual == ("alex",)
    encoder = Recipe((Stage("a", trainable=("g_a",)),))
    with pytest.raises(ValueError, match="expected a stage from 'a' to 'a' that trains decoder"):
        replace(SETTINGS, only=("decoder",)).adjust(encoder)
    both = ("alex", "vgg")
    assert replace(SETTINGS, perceptual=both).adjust(RECIPES["tiny"]).perceptual == both


def test_streams_take_one_worker_and_shares_are_fractions(tmp_path):
    with pytest.raises(ValueError, match=r"at most one worker with --stream, .* got 4"):
        TrainSettings(preset="tiny", output=tmp_path, stream="a.tar", workers=4)
    with pytest.raises(ValueError, match=r"max_bad_share in \[0, 1\], got nan"):
        TrainSettings(preset="tiny", output=tmp_path, data=tmp_path, max_bad_share=float("nan"))
