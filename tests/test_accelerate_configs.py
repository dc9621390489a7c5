"""The configurations that ship for `accelerate launch`."""

from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType

from lrisc_system.training.launching import Group, read_group

CONFIGS = Path(__file__).parents[1] / "configs" / "accelerate"


def test_two_cpus_start_two_processes():
    config = CONFIGS / "two_cpus.yaml"
    command = f"accelerate launch --config_file {config} -m lrisc_system.train"
    assert read_group(command.split()) == Group(2)


@pytest.mark.parametrize(
    ("name", "kind", "processes"),
    [
        ("one_process", DistributedType.NO, 1),
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
