import json
from dataclasses import replace
from pathlib import Path

import pytest

from lrisc_system.data.photos import Fingerprint
from lrisc_system.storage.tensors import CheckpointError
from lrisc_system.training import resumption
from lrisc_system.training.progress import Position
from lrisc_system.training.recipes import Recipe, Stage
from lrisc_system.training.resumption import (
    check_same_run,
    how_to_go_on,
    list_checkpoints,
    read_resumes,
)
from lrisc_system.training.run_card import RunCard
from lrisc_system.training.settings import TrainSettings

STAGES = (
    Stage("first", trainable=("",), steps=10),
    Stage("second", trainable=("",), steps=10, final_learning_rate=1e-6),
    Stage("third", trainable=("",), steps=10),
)
CARD = RunCard(
    model="lrisc",
    preset="tiny",
    seed=3,
    data=Fingerprint(5, "abc"),
    held_out=Fingerprint(1, "def"),
    masks=False,
    start="closed form",
    recipe=Recipe(STAGES),
    minutes=None,
    device="cpu",
    processes=2,
    accumulate=1,
    mixed_precision="no",
    resumed_at=["stage0-step0000002"],
)
SECOND = Position(1, 4)


def change_stage(index, **change):
    stages = [*STAGES]
    stages[index] = replace(stages[index], **change)
    return {"recipe": Recipe(tuple(stages))}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run.json").write_text(CARD.to_json())
    return tmp_path


@pytest.mark.parametrize(
    ("change", "position"),
    [
        ({}, SECOND),
        ({"processes": 1, "accumulate": 2, "device": "cuda"}, SECOND),
        ({"held_out": Fingerprint(0, "")}, SECOND),
        (change_stage(2, steps=7, learning_rate=1e-3), SECOND),  # it has not begun
        (change_stage(2, steps=7), Position(1, 10)),
        (change_stage(2, steps=20), Position(2, 10)),  # longer, at a constant learning rate
        (change_stage(0, steps=4), Position(0, 4)),
        (change_stage(0, learning_rate=1e-3), Position(0, 0)),
    ],
)
def test_the_same_run_continues(run, change, position):
    check_same_run(run, card=replace(CARD, **change), position=position)


def test_without_a_card_only_the_stages_are_known(tmp_path):
    check_same_run(tmp_path, card=CARD, position=Position(2, 3))
    with pytest.raises(ValueError, match=r"stages of the run, 4 or more, got \['first', 'sec"):
        check_same_run(tmp_path, card=CARD, position=Position(3, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "mine:make"}, "the model of the run, lrisc, got mine:make"),
        ({"preset": "small"}, "the preset of the run, tiny, got small"),
        ({"seed": 7}, "the seed of the run, 3, got 7"),
        ({"data": Fingerprint(4, "xyz")}, "the data of the run, {'files': 5, 'sha256': 'abc'}"),
        ({"masks": True}, "the masks of the run, False, got True"),
        ({"start": "weights 12"}, "the start of the run, closed form, got weights 12"),
        ({"minutes": 5.0}, "the minutes of the run, None, got 5.0"),
        ({"mixed_precision": "bf16"}, "the mixed_precision of the run, no, got bf16"),
        ({"max_norm": 2.0}, "the max_norm of the run, 1.0, got 2.0"),
        ({"reals_per_token": 8}, "the reals_per_token of the run, None, got 8"),
        ({"recipe": Recipe(STAGES, lambda_rate=1.0)}, "the lambda_rate of the run, 0.05, got 1.0"),
        ({"recipe": Recipe(STAGES, perceptual=("vgg",))}, "the perceptual of the run, "),
        (
            {"recipe": Recipe(STAGES[1:])},
            r"the stages of the run, \['first', 'second', 'third'\], got \['second', 'third'\]",
        ),
        (change_stage(0, steps=20), "the steps of stage first of the run, 10, got 20"),
        (change_stage(0, batch_size=2), "the batch_size of stage first of the run, 16, got 2"),
        (change_stage(1, steps=20), "the steps of stage second of the run, 10, got 20"),
    ],
)
def test_another_run_is_refused_by_what_differs(run, change, message):
    with pytest.raises(ValueError, match=f"expected --resume with {message}"):
        check_same_run(run, card=replace(CARD, **change), position=SECOND)


def test_a_stage_cannot_end_before_the_step_that_it_has_reached(run):
    with pytest.raises(ValueError, match="the steps of stage first of the run, 10, got 3"):
        check_same_run(run, card=replace(CARD, **change_stage(0, steps=3)), position=Position(0, 4))


def test_nothing_of_a_run_of_some_minutes_may_change(tmp_path):
    timed = replace(CARD, minutes=5.0)
    (tmp_path / "run.json").write_text(timed.to_json())
    other = replace(timed, **change_stage(2, steps=7))
    with pytest.raises(ValueError, match="the steps of stage third of the run, 10, got 7"):
        check_same_run(tmp_path, card=other, position=SECOND)


def test_cards_of_earlier_versions_lack_some_numbers(run):
    stored = json.loads(CARD.to_json())
    del (
        stored["max_norm"],
        stored["recipe"]["lambda_grid"],
        stored["recipe"]["stages"][0]["realism"],
    )
    (run / "run.json").write_text(json.dumps(stored))
    check_same_run(run, card=replace(CARD, max_norm=2.0), position=SECOND)


@pytest.mark.parametrize("text", ["{}", "3", '{"model": "lrisc"}', "no json", '{"recipe": 3}'])
def test_foreign_json_is_one_line(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"run\.json"):
        check_same_run(tmp_path, card=CARD, position=SECOND)


def test_the_earlier_resumes_are_read(run, tmp_path):
    assert read_resumes(run) == ["stage0-step0000002"]
    assert read_resumes(tmp_path / "none") == []
    (run / "run.json").write_text('{"resumed_at": 3}')
    assert read_resumes(run) == []


def checkpoint(folder, name):
    state = folder / "checkpoints" / name
    state.mkdir(parents=True)
    stage, step = (int(part.strip("stagep")) for part in name.split("-"))
    (state / "state.json").write_text(json.dumps({"stage": stage, "step": step}))
    return state


def test_it_says_how_to_go_on(tmp_path):
    assert how_to_go_on(tmp_path) == f"no checkpoint was written yet to {tmp_path}"
    newest = checkpoint(tmp_path, "stage1-step0000004")
    assert how_to_go_on(tmp_path) == (
        f"{newest} is complete; the same command with --resume goes on from there"
    )


def test_checkpoints_are_continued_only_on_request(run, monkeypatch):
    settings = TrainSettings(preset="tiny", data=Path(), output=run)
    assert list_checkpoints(settings, card=CARD) == []
    newest = checkpoint(run, "stage1-step0000004")
    with pytest.raises(ValueError, match="expected an empty output folder or --resume, got"):
        list_checkpoints(settings, card=CARD)
    resumed = replace(settings, resume=True)
    assert list_checkpoints(resumed, card=CARD) == [newest]
    with pytest.raises(ValueError, match="the seed of the run, 3, got 4"):
        list_checkpoints(resumed, card=replace(CARD, seed=4))
    monkeypatch.setattr(resumption, "gather_object", lambda seen: [*seen, None])
    with pytest.raises(ValueError, match="an output folder that all machines share, got the ch"):
        list_checkpoints(resumed, card=CARD)
