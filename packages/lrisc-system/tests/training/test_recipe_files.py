import re

import pytest

from lrisc_system.baselines.deepjscc import trainable as deepjscc
from lrisc_system.training import presets
from lrisc_system.training.recipe_files import read_recipe, write_recipe
from lrisc_system.training.recipes import Recipe, Stage

RECIPES = [*presets.RECIPES.values(), *deepjscc.RECIPES.values()]
STAGE = '[[stages]]\nname = "a"\ntrainable = ["g_a"]\n'


@pytest.fixture
def written(tmp_path):
    """Write a file; returns its path."""

    def write(text):
        path = tmp_path / "my.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_preset_survives_a_round_trip(recipe, written):
    assert read_recipe(written(write_recipe(recipe, title="a preset"))) == recipe


def test_names_survive_a_round_trip(written):
    recipe = Recipe((Stage('a "quoted" \\ n\u00e4me\n', trainable=("",)),))
    assert read_recipe(written(write_recipe(recipe, title="names"))) == recipe


def test_what_a_file_leaves_out_is_the_default(written):
    recipe = read_recipe(written("lambda_rate = 1\n" + STAGE + "eta = [0.1, 1]\n"))
    assert recipe == Recipe((Stage("a", trainable=("g_a",), eta=(0.1, 1.0)),), lambda_rate=1.0)
    assert type(recipe.lambda_rate) is float
    assert type(recipe.stages[0].eta[1]) is float


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lamda_rate = 1\n" + STAGE, "my.toml: unknown key 'lamda_rate', expected lambda_rate"),
        (
            STAGE + STAGE + "learing_rate = 1\n",
            "number 2: unknown key 'learing_rate', expected learning_rate",
        ),
        (STAGE + 'steps = "3"\n', "[[stages]] number 1: expected an integer for steps, got '3'"),
        (STAGE + "steps = true\n", "expected an integer for steps, got True"),
        (STAGE + "steps = 3.0\n", "expected an integer for steps, got 3.0"),
        (STAGE + "decode_images = 1\n", "expected true or false for decode_images, got 1"),
        (STAGE + "eta = 0.2\n", "expected a list of two numbers for eta, got 0.2"),
        (STAGE + "frozen = [1]\n", "expected a list of strings for frozen, got [1]"),
        (STAGE + "steps = 0\n", "number 1: expected steps of at least 1, got 0"),
        ('[[stages]]\nname = "a"\n', "number 1: the key trainable is missing"),
        ("magnification = 2\n", "my.toml: expected at least one stage, got none"),
        ("stages = 3\n", "my.toml: expected a table [[stages]] for each stage"),
        ("steps = = 3\n", "my.toml: Invalid value (at line 1, column 9)"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_by_name(written, text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_recipe(written(text))
