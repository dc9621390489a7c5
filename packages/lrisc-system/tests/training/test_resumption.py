import json

import pytest

from lrisc_system.training.recipes import Recipe, Stage
from lrisc_system.training.resumption import check_same_run, read_resumes

RECIPE = Recipe((Stage("first", trainable=("",)), Stage("second", trainable=("",))))


@pytest.fixture
def run(tmp_path):
    card = {
        "model": "lrisc",
        "preset": "tiny",
        "seed": 3,
        "recipe": {"stages": [{"name": "first"}, {"name": "second"}]},
        "resumed_at": ["stage0-step0000002"],
    }
    (tmp_path / "run.json").write_text(json.dumps(card))
    return tmp_path


def test_the_same_run_continues(run, tmp_path):
    check_same_run(run, model="lrisc", preset="tiny", seed=3, recipe=RECIPE)
    check_same_run(tmp_path / "none", model="x", preset="y", seed=0, recipe=RECIPE)
    assert read_resumes(run) == ["stage0-step0000002"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "mine:make"}, "the model of the run, lrisc, got mine:make"),
        ({"preset": "small"}, "the preset of the run, tiny, got small"),
        ({"seed": 7}, "the seed of the run, 3, got 7"),
        (
            {"recipe": Recipe(RECIPE.stages[1:])},
            r"the stages of the run, \['first', 'second'\], got \['second'\]",
        ),
    ],
)
def test_another_run_is_refused_by_what_differs(run, change, message):
    own = {"model": "lrisc", "preset": "tiny", "seed": 3, "recipe": RECIPE}
    with pytest.raises(ValueError, match=f"expected --resume with {message}"):
        check_same_run(run, **{**own, **change})
