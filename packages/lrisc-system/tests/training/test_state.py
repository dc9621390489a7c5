import json
import math

import pytest
import torch
from torch import nn

from lrisc_system.storage.tensors import CheckpointError, write_tensors
from lrisc_system.training.progress import Position, RunTotals
from lrisc_system.training.state import (
    list_states,
    load_optimizer,
    load_position,
    load_state,
    load_totals,
    name_optimizer,
    save_state,
)

TOTALS = RunTotals(seconds=1.5, steps=3, images=6, flop=1e9, skipped={"a": 2})


@pytest.fixture
def model():
    return nn.Linear(2, 1)


def save(folder, model, position, *, keep=2, optimizer=None):
    average = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    save_state(
        folder,
        position,
        model=model.state_dict(),
        average=average,
        optimizer=optimizer or {},
        adversary={},
        totals=TOTALS,
        keep=keep,
    )


def test_a_checkpoint_holds_position_totals_and_weights(tmp_path, model):
    save(tmp_path, model, Position(1, 2))
    (state,) = list_states(tmp_path)
    assert state.name == "stage1-step0000002"
    assert load_position(state) == Position(1, 2)
    assert load_totals(state) == TOTALS
    other, average = nn.Linear(2, 1), {"weight": torch.ones(1, 2), "bias": torch.ones(1)}
    load_state(state, model=other, average=average)
    assert torch.equal(other.weight, model.weight)
    assert not average["weight"].any()


def test_totals_of_earlier_versions_count_images_from_0(tmp_path):
    (tmp_path / "state.json").write_text(
        json.dumps({"stage": 0, "step": 2, "seconds": 3.0, "steps": 2, "skipped": {}})
    )
    assert load_totals(tmp_path) == RunTotals(seconds=3.0, steps=2)


def test_what_others_put_into_a_checkpoint_stays(tmp_path, model):
    save(tmp_path, model, Position(0, 1), keep=1)
    (tmp_path / "stage0-step0000001" / "notes.md").write_text("mine")
    (tmp_path / ".stage0-mine").mkdir()
    (tmp_path / ".stage0-mine" / "notes.md").write_text("mine")
    save(tmp_path, model, Position(0, 2), keep=1)
    save(tmp_path, model, Position(0, 3), keep=1)
    assert [state.name for state in list_states(tmp_path)] == ["stage0-step0000003"]
    assert [path.name for path in (tmp_path / "stage0-step0000001").iterdir()] == ["notes.md"]
    assert [path.name for path in (tmp_path / ".stage0-mine").iterdir()] == ["notes.md"]
    assert not (tmp_path / "stage0-step0000002").exists()


def test_the_newest_checkpoints_stay(tmp_path, model):
    (tmp_path / ".stage0-half-written").mkdir()
    for step in (1, 2, 10):
        save(tmp_path, model, Position(0, step))
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "stage0-step0000002",
        "stage0-step0000010",
    ]


def test_the_average_of_another_model_is_refused(tmp_path, model):
    save(tmp_path, model, Position())
    with pytest.raises(CheckpointError, match="holds the average of another model"):
        load_state(list_states(tmp_path)[0], model=model, average={})


def test_the_optimiser_goes_on_where_it_was(tmp_path, model):
    adam = torch.optim.Adam(model.parameters())
    model(torch.ones(2)).sum().backward()
    adam.step()
    trained = dict(model.named_parameters())
    save(tmp_path, model, Position(), optimizer=name_optimizer(adam, trained))
    (state,) = list_states(tmp_path)
    again = torch.optim.Adam(model.parameters())
    load_optimizer(state, again, trained)
    # The gradient of the sum of w . 1 is 1; Adam's first mean of it is (1 - 0.9) * 1.
    assert torch.allclose(again.state[model.weight]["exp_avg"], torch.tensor(0.1))
    assert again.state[model.weight]["step"] == 1
    with pytest.raises(CheckpointError, match="the optimiser of another stage: bias"):
        load_optimizer(state, again, {"weight": model.weight})


def test_the_eleventh_stage_is_newer_than_the_third(tmp_path, model):
    for position in (Position(2, 5), Position(9, 7), Position(10, 1)):
        save(tmp_path, model, position)
    states = [load_position(state) for state in list_states(tmp_path)]
    assert states[-2:] == [Position(9, 7), Position(10, 1)]


STATE = {"stage": 0, "step": 2, "seconds": 3.0, "steps": 2, "skipped": {}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "expected the state of a run, got Expecting value"),
        ("[1, 2]", "expected the state of a run, got list"),
        (json.dumps({**STATE, "step": "two"}), "a number of at least 0 in step, got 'two'"),
        (json.dumps({**STATE, "stage": -1}), "a number of at least 0 in stage, got -1"),
        (json.dumps({**STATE, "steps": True}), "a number of at least 0 in steps, got True"),
        (json.dumps({**STATE, "seconds": math.inf}), "in seconds, got inf"),
        (json.dumps({**STATE, "skipped": []}), r"expected counts in skipped, got \[\]"),
        (json.dumps({"stage": 0, "step": 2}), "expected counts in skipped, got None"),
    ],
)
def test_foreign_json_is_one_line(tmp_path, text, message):
    (tmp_path / "state.json").write_text(text)

    def load():
        return load_position(tmp_path), load_totals(tmp_path)

    with pytest.raises(CheckpointError, match=rf"state\.json: .*{message}") as caught:
        load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"exp_avg": torch.zeros(1)}, "the optimiser of another stage: "),
        ({"exp_avg/weight": torch.zeros(7)}, r"expected exp_avg/weight of \(.*\), got \(7,\)"),
    ],
)
def test_a_foreign_optimiser_is_refused(tmp_path, tensors, message):
    write_tensors(tensors, tmp_path / "optimizer.safetensors")
    weight = torch.nn.Parameter(torch.zeros(2, 3))
    optimizer = torch.optim.Adam([weight])
    with pytest.raises(CheckpointError, match=message):
        load_optimizer(tmp_path, optimizer, {"weight": weight})
