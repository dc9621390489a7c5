"""Training in real processes: launched, killed, resumed, sharded, and out of disk."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lrisc_system.data.images import save_image
from lrisc_system.storage.checkpoint import load_model
from lrisc_system.training.presets import RECIPES
from lrisc_system.training.progress import Position
from lrisc_system.training.recipe_files import write_recipe
from lrisc_system.training.recipes import COMPUTED
from lrisc_system.training.state import list_states, load_position, load_totals

KILLED = -9
LAST = len(RECIPES["tiny"].stages) - 1
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Four photos: with batches of two, an epoch ends after every second step."""
    folder = tmp_path_factory.mktemp("photos")
    generator = torch.Generator().manual_seed(0)
    for index in range(4):
        coarse = torch.rand(1, 3, 6, 6, generator=generator)
        image = torch.nn.functional.interpolate(coarse, size=(80, 72), mode="bicubic")
        save_image(image, folder / f"photo{index:02d}.png")
    return folder


@pytest.fixture(scope="module")
def train(photos):
    """Train in `processes` forked processes; returns their exit codes and what they printed."""
    helper = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fork_trainings.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ONE_THREAD,
    )

    def order(output, *, processes, settings=None, **rest):
        log = output.with_suffix(".log")
        log.write_text("")
        values = {"preset": "tiny", "data": str(photos), "output": str(output)}
        values |= {"workers": 0, "save_every": 1, "validation_photos": 0, "steps_scale": 1.5}
        values |= settings or {}
        rest |= {"settings": values, "processes": processes, "log": str(log)}
        helper.stdin.write(json.dumps(rest) + "\n")
        helper.stdin.flush()
        return json.loads(helper.stdout.readline()), log.read_text()

    yield order
    helper.stdin.close()
    helper.wait()


@pytest.fixture(scope="module")
def finished(train, tmp_path_factory):
    """An uninterrupted run of one process that accumulates two micro-batches."""
    output = tmp_path_factory.mktemp("runs") / "finished"
    codes, log = train(output, processes=1, settings={"accumulate": 2, "keep": 100})
    assert codes == [0], log
    return output


def weights(output):
    return load_file(output / "model" / "model.safetensors")


def copy_state(finished, place, output):
    shutil.copytree(finished / "checkpoints" / str(place), output / "checkpoints" / str(place))
    return output


@pytest.fixture(scope="module")
def finished_in_two(train, finished, tmp_path_factory):
    """The same run, the last stage in two processes: each shows the critic half as many images."""
    output = tmp_path_factory.mktemp("runs") / "finished-in-two"
    copy_state(finished, Position(LAST - 1, 3), output)
    codes, log = train(output, processes=2, settings={"resume": True, "keep": 100})
    assert codes == [0, 0], log
    return output


def start_launched(photos, output, *options):
    accelerate = Path(sys.executable).with_name("accelerate")
    command = [accelerate, "launch", "-q", "--num_processes", "2", "--cpu", *options]
    command += ["-m", "lrisc_system.train", "--preset", "tiny", "--data", photos]
    command += ["--output", output, "--resume", "--workers", "0", "--validation-photos", "0"]
    command += ["--steps-scale", "1.5"]
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ONE_THREAD,
    )


@pytest.fixture(scope="module")
def launched(finished, photos, tmp_path_factory):
    """The last steps of a run in two processes that `accelerate launch` started."""
    output = copy_state(finished, Position(2, 3), tmp_path_factory.mktemp("launched") / "run")
    process = start_launched(photos, output)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 0, error[-2000:]
    return output


def test_two_launched_processes_train_as_one(finished, launched):
    """DDP averages the gradients of the same global batches, so the weights become the same."""
    assert json.loads((launched / "run.json").read_text())["processes"] == 2
    one, two = weights(finished), weights(launched)
    assert one.keys() == two.keys()
    # Sums in another order differ in the last bits, which Adam's division magnifies: 1e-6 was
    # seen. Anything else in the gradients would show as a share of the learning rate, 1e-3.
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=1e-5)


def test_two_machines_train_as_two_processes_bit_for_bit(finished, launched, photos, tmp_path):
    """Two launchers on the loopback."""
    output = copy_state(finished, Position(2, 3), tmp_path / "run")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = ["--num_machines", 2, "--main_process_ip", "127.0.0.1", "--main_process_port", port]
    machines = [start_launched(photos, output, *group, "--machine_rank", n) for n in (0, 1)]
    errors = [machine.communicate(timeout=600)[1] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], errors
    card = json.loads((output / "run.json").read_text())
    assert (card["processes"], card["resumed_at"]) == (2, ["stage2-step0000003"])
    expected, got = weights(launched), weights(output)
    assert expected.keys() == got.keys()
    assert all(torch.equal(got[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize(
    ("processes", "number", "name"), [(1, signal.SIGINT, "SIGINT"), (2, signal.SIGTERM, "SIGTERM")]
)
def test_a_signal_saves_and_says_how_to_go_on(
    train, finished, finished_in_two, tmp_path, processes, number, name
):
    """Of two processes, one gets the signal, and both stop after the same step."""
    output = copy_state(finished, Position(LAST - 1, 3), tmp_path / "run")
    settings = {"accumulate": 2 // processes, "save_every": 100, "resume": True}
    stop = {"place": str(Position(LAST, 1)), "number": number}
    codes, log = train(output, processes=processes, settings=settings, signal=stop)
    assert codes == [128 + number] * processes, log
    newest = output / "checkpoints" / str(Position(LAST, 2))
    assert log.splitlines()[-1] == (
        f"lrisc: stopped by {name}: {newest} is complete; the same command with --resume goes on "
        "from there"
    )
    assert "Traceback" not in log
    assert json.loads((output / "run.json").read_text())["place"] == {"stage": LAST, "step": 2}
    codes, log = train(output, processes=processes, settings=settings)
    assert codes == [0] * processes, log
    expected, got = weights(finished if processes == 1 else finished_in_two), weights(output)
    assert all(torch.equal(got[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("processes", [1, 2])
def test_killed_runs_end_in_the_same_bits(train, finished, finished_in_two, tmp_path, processes):
    """Killed mid-epoch, between epochs, between stages, and while a checkpoint is half-written."""
    output = tmp_path / "run"
    settings = {"accumulate": 2 // processes}
    kills = {
        "stage1-step0000001": (False, Position(1, 1)),
        "stage2-step0000002": (False, Position(2, 2)),
        "stage3-step0000000": (False, Position(2, 3)),
        "stage4-step0000001": (True, Position(3, 3)),
    }
    for point, (writing, newest) in kills.items():
        kill = {"place": point, "writing": writing}
        codes, log = train(output, processes=processes, settings=settings, kill=kill)
        assert KILLED in codes, log
        assert load_position(list_states(output / "checkpoints")[-1]) == newest
        settings = {**settings, "resume": True}
    assert list((output / "checkpoints").glob(".stage4*"))  # the half-written one
    codes, log = train(output, processes=processes, settings=settings)
    assert codes == [0] * processes, log

    expected, got = weights(finished if processes == 1 else finished_in_two), weights(output)
    assert expected.keys() == got.keys()
    assert all(torch.equal(got[name], tensor) for name, tensor in expected.items())
    kept = [path.name for path in sorted((output / "checkpoints").iterdir())]
    assert kept == [str(Position(LAST, 2)), str(Position(LAST, 3))]
    card = json.loads((output / "run.json").read_text())
    assert card["resumed_at"] == [str(newest) for _, newest in kills.values()]
    assert card["seconds"] > load_totals(output / "checkpoints" / kept[0]).seconds > 0


def test_shards_train_as_one(train, finished, tmp_path):
    """FSDP2 takes over an ordinary checkpoint, Adam's state included, and leaves ordinary files.

    It trains all stages but the last one, which has a critic.
    """
    output = copy_state(finished, Position(LAST - 1, 2), tmp_path / "run")
    recipe = replace(RECIPES["tiny"], stages=RECIPES["tiny"].stages[:-1])
    (tmp_path / "recipe.toml").write_text(write_recipe(recipe, title="without a critic"))
    settings = {"resume": True, "recipe": str(tmp_path / "recipe.toml")}
    codes, log = train(output, processes=2, settings=settings, fsdp=True)
    assert codes == [0, 0], log
    one, shards = (run / "checkpoints" / str(Position(LAST - 1, 3)) for run in (finished, output))
    got = weights(output)
    for name, tensor in load_file(one / "average.safetensors").items():
        if not name.endswith(COMPUTED):  # at the end of a run, from the others
            torch.testing.assert_close(got[name], tensor, rtol=0, atol=1e-5)
    first, again = (load_file(state / "optimizer.safetensors") for state in (one, shards))
    assert first.keys() == again.keys()
    assert all(tensor.shape == again[name].shape for name, tensor in first.items())
    load_model(output / "model", expected_preset="tiny")


def test_a_critic_under_fsdp_is_refused_before_the_first_step(train, tmp_path):
    codes, log = train(tmp_path / "run", processes=2, fsdp=True)
    assert 2 in codes
    assert "lrisc: stage 4-realism: a critic cannot be trained under FSDP" in log
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_one_line(train, finished, tmp_path):
    output = copy_state(finished, Position(LAST, 2), tmp_path / "run")
    settings = {"accumulate": 2, "resume": True}
    codes, log = train(output, processes=1, settings=settings, file_size_limit=200_000)
    assert codes == [2]
    lines = [line for line in log.splitlines() if line.startswith("lrisc: ")]
    assert len(lines) == 1
    assert f"cannot write the checkpoint {Position(LAST, 3)}" in lines[0]
    assert "Traceback" not in log
    assert [path.name for path in (output / "checkpoints").iterdir()] == [str(Position(LAST, 2))]


def test_a_world_that_does_not_divide_is_one_line(train, tmp_path):
    codes, log = train(tmp_path / "run", processes=3)
    assert codes == [2, KILLED, KILLED]
    assert len(log.splitlines()) == 1
    assert log.startswith("lrisc: expected a batch of 2 (stage 0-hyperprior) that divides by")
