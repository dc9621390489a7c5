from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType

from lrisc_system.launching import is_alone, processes_asked

CONFIGS = Path(__file__).parents[3] / "configs" / "accelerate"


@pytest.mark.parametrize(
    ("command", "count"),
    [
        ("python /bin/accelerate launch --num_processes 2 --cpu -m lrisc_system.train --seed 1", 2),
        ("python -m accelerate.commands.launch --cpu --num_processes=3 -m lrisc_system.train", 3),
        (f"accelerate launch --config_file {CONFIGS / 'two_cpus.yaml'} -m lrisc_system.train", 2),
        ("accelerate launch --cpu -m lrisc_system.train --num_processes 5", 1),
        ("bash -c train", 1),
    ],
)
def test_the_number_is_read_from_the_launcher(command, count):
    assert processes_asked(command.split()) == count


def test_only_a_process_that_was_left_alone_starts_others():
    alone = {"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "127.0.0.1"}
    assert is_alone(alone)
    assert not is_alone({**alone, "WORLD_SIZE": "2"})
    assert not is_alone({**alone, "ACCELERATE_USE_CPU": "False"})
    assert not is_alone({})
    assert not is_alone({"ACCELERATE_USE_CPU": "True"})


@pytest.mark.parametrize(
    ("name", "kind", "processes"),
    [
        ("one_gpu", DistributedType.NO, 1),
        ("ddp_8_gpus", DistributedType.MULTI_GPU, 8),
        ("fsdp2_8_gpus", DistributedType.FSDP, 8),
        ("two_machines", DistributedType.MULTI_GPU, 16),
        ("two_cpus", DistributedType.MULTI_CPU, 2),
    ],
)
def test_accelerate_reads_the_configurations(name, kind, processes):
    config = load_config_from_file(str(CONFIGS / f"{name}.yaml"))
    assert config.distributed_type == kind
    assert config.num_processes == processes


def test_fsdp_is_the_version_that_training_takes():
    fsdp = load_config_from_file(str(CONFIGS / "fsdp2_8_gpus.yaml")).fsdp_config
    assert fsdp["fsdp_version"] == 2
    assert not fsdp["fsdp_cpu_ram_efficient_loading"]  # it would share out the buffers too
