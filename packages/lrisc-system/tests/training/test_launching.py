import inspect
import re

import pytest

from lrisc_system.training.failures import report
from lrisc_system.training.launching import Group, is_alone, launch, read_group

# Without the package, a process starts in no time.
REPORT = "import json\nfrom pathlib import Path\n" + inspect.getsource(report)


@pytest.mark.parametrize(
    ("command", "group"),
    [
        (
            "python /bin/accelerate launch --num_processes 2 --cpu -m lrisc_system.train --seed 1",
            Group(2),
        ),
        (
            "python -m accelerate.commands.launch --cpu --num_processes=3 -m lrisc_system.train",
            Group(3),
        ),
        (
            "accelerate launch --cpu --num_processes 4 --num_machines 2 --machine_rank 1 -m x",
            Group(4, machines=2, machine=1),
        ),
        ("accelerate launch --cpu -m lrisc_system.train --num_processes 5", Group(1)),
        ("bash -c train", None),
    ],
)
def test_the_numbers_are_read_from_the_launcher(command, group):
    assert read_group(command.split()) == group


def test_the_numbers_are_read_from_the_launchers_file(tmp_path):
    config = tmp_path / "two.yaml"
    config.write_text(
        "compute_environment: LOCAL_MACHINE\ndistributed_type: MULTI_CPU\n"
        "num_processes: 4\nnum_machines: 2\nmachine_rank: 0\nuse_cpu: true\n"
    )
    command = f"accelerate launch --config_file {config} -m lrisc_system.train"
    assert read_group(command.split()) == Group(4, machines=2)
    command = f"accelerate launch --config_file {config} --machine_rank 1 -m lrisc_system.train"
    assert read_group(command.split()) == Group(4, machines=2, machine=1)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((3, 2), "counts those of all machines, to divide by --num_machines 2, got 3"),
        ((0, 1), "to divide by --num_machines 1, got 0"),
        ((2, 2, 2), r"expected --machine_rank in 0\.\.1, got 2"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        Group(*numbers)


def test_only_a_process_that_was_left_alone_starts_others():
    alone = {"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "127.0.0.1"}
    assert is_alone(alone)
    assert not is_alone({**alone, "WORLD_SIZE": "2"})
    assert not is_alone({**alone, "ACCELERATE_USE_CPU": "False"})
    assert not is_alone({})
    assert not is_alone({"ACCELERATE_USE_CPU": "True"})


@pytest.mark.parametrize(
    ("does", "code", "printed"),
    [
        ("pass", 0, ""),
        ("report('lrisc: rank ' + os.environ['RANK']); sys.exit(2)", 2, "lrisc: rank [01]\n"),
        (
            "time.sleep(100) if os.environ['RANK'] == '0' else report('lrisc: one'); sys.exit(2)",
            2,
            "lrisc: one\n",
        ),
        ("sys.exit(143) if os.environ['RANK'] == '1' else time.sleep(100)", 143, ""),
    ],
)
def test_processes_end_together_in_one_line(tmp_path, capfd, does, code, printed):
    script = tmp_path / "part.py"
    script.write_text(f"import os, sys, time\n{REPORT}\n{does}\n")
    assert launch([str(script)], Group(2)) == code
    assert re.fullmatch(printed, capfd.readouterr().err)


def test_a_process_that_said_nothing_is_reported_on(tmp_path, capfd):
    script = tmp_path / "part.py"
    script.write_text("import os\nos.kill(os.getpid(), 9)\n")
    assert launch([str(script)], Group(2)) == 1
    assert "Signal 9 (SIGKILL)" in capfd.readouterr().err
