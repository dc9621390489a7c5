import pytest

from lrisc_system.commands.recipes import describe_channel
from lrisc_system.training.presets import RECIPES
from lrisc_system.training.recipe_files import read_recipe
from lrisc_system.training.recipes import Stage


def test_recipes_are_tables(lrisc):
    code, output, _ = lrisc("recipes")
    assert code == 0
    assert output.count("3-end-to-end") == len(RECIPES)
    assert "--model lrisc --preset paper" in output
    assert "62500 │         16 │  256 │  0.0001 to 1e-06 │    0 to 20" in output
    assert "no channel" in output


def test_recipes_of_one_preset(lrisc):
    code, output, _ = lrisc("recipes", "--preset", "small", "--model", "deepjscc")
    assert code == 0
    assert "--model deepjscc --preset small" in output
    assert output.count("--preset") == 1


@pytest.mark.parametrize("preset", RECIPES)
def test_a_recipe_in_toml_is_one_to_train_by(lrisc, tmp_path, preset):
    code, output, _ = lrisc("recipes", "--preset", preset, "--as", "toml")
    assert code == 0
    (tmp_path / "my.toml").write_text(output)
    assert read_recipe(tmp_path / "my.toml") == RECIPES[preset]


def test_recipes_that_are_not(lrisc, one_line):
    assert "expected --preset with --as toml" in one_line(lrisc("recipes", "--as", "toml"))
    assert "got 'huge'" in one_line(lrisc("recipes", "--preset", "huge"))


def test_a_channel_in_words():
    assert describe_channel(Stage("a", trainable=("",), clean_share=1.0)) == "no channel"
    assert describe_channel(Stage("a", trainable=("",))) == "10"
    assert describe_channel(Stage("a", trainable=("",), snr_db=(0.0, 20.0))) == "0 to 20"
