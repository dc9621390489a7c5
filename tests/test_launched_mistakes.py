"""What a user sees who makes a mistake under `accelerate launch -q`: one line, nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from lrisc_system.commands.demo import PHOTO

CONFIGS = Path(__file__).parents[1] / "configs" / "accelerate"
ACCELERATE = Path(sys.executable).with_name("accelerate")


@pytest.mark.parametrize(
    ("config", "options", "line"),
    [
        ("one_process", ["--masks", "masks"], "lrisc: expected a mask for every photo, got none"),
        ("two_cpus", ["--lambda-rate", "1e39"], "lrisc: the gradient is not finite in stage 0-"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, config, options, line):
    """A number that breaks in both processes at once is said once."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    Image.open(PHOTO).resize((96, 64)).save(tmp_path / "photo.png")
    command = [ACCELERATE, "launch", "-q", "--config_file", CONFIGS / f"{config}.yaml"]
    command += ["-m", "lrisc_system.train", "--preset", "tiny", "--data", ".", "--output", "run"]
    command += ["--workers", "0", "--validation-photos", "0", *options]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(line)
    assert result.returncode == 1  # the launcher's, whatever the process's is
