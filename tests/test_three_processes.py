"""The link as it is used: sender, channel and receiver are three processes, one after another."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lrisc_system import SHIPPED, load_image
from lrisc_system.commands.demo import PHOTO
from lrisc_system.metrics.quality import evaluate_pair


def lrisc(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lrisc_system.commands.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def received(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("link")
    photo = folder / "photo.jpg"
    photo.write_bytes(PHOTO.read_bytes())
    steps = [
        lambda: lrisc("send", photo, folder / "sent.lrisc", "--snr-db", 10, "--cbr", 0.04),
        lambda: lrisc("channel", folder / "sent.lrisc", folder / "got.lrisc", "--snr-db", 10),
        lambda: lrisc("receive", folder / "got.lrisc", folder / "three.png"),
    ]
    for step in steps:
        done = step()
        assert done.returncode == 0, done.stderr
        photo.unlink(missing_ok=True)  # gone before the channel, and so before the receiver
    return folder


def test_the_image_arrives(received):
    metrics = evaluate_pair(load_image(PHOTO), load_image(received / "three.png"))
    # What the shipped model measured here. Another CPU may round a symbol to another side.
    assert metrics.psnr == pytest.approx(28.31, abs=0.05)
    assert metrics.lpips == pytest.approx(0.102, abs=0.003)


def test_transmit_gives_the_same_image(received):
    done = lrisc("transmit", PHOTO, received / "one.png", "--snr-db", 10, "--cbr", 0.04)
    assert done.returncode == 0, done.stderr
    assert torch.equal(load_image(received / "one.png"), load_image(received / "three.png"))


def test_a_damaged_packet_ends_in_one_line(received):
    data = bytearray((received / "got.lrisc").read_bytes())
    data[len(data) // 3] ^= 0x10
    (received / "bad.lrisc").write_bytes(data)
    done = lrisc("receive", received / "bad.lrisc", received / "bad.png")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert not (received / "bad.png").exists()


def test_the_shipped_checkpoint_is_small():
    size = sum(path.stat().st_size for path in SHIPPED.iterdir())
    assert size <= 20_000_000
