import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from lrisc_system.data.images import load_image, save_image
from lrisc_system.storage.checkpoint import CARD_NAME


def test_transmit_equals_its_three_steps(lrisc, photo, checkpoint, tmp_path):
    model = ("--checkpoint", checkpoint)
    sent, received = tmp_path / "a.lrisc", tmp_path / "b.lrisc"
    code, output, _ = lrisc("transmit", photo, tmp_path / "once.png", "--snr-db", 7, *model)
    assert code == 0
    assert "CBR" in output
    assert lrisc("send", photo, sent, "--snr-db", 7, *model)[0] == 0
    assert lrisc("channel", sent, received, "--snr-db", 7)[0] == 0
    assert lrisc("receive", received, tmp_path / "thrice.png", *model)[0] == 0
    once, thrice = (load_image(tmp_path / f"{name}.png") for name in ("once", "thrice"))
    assert torch.equal(once, thrice)
    assert once.shape == (1, 3, 40, 56)


def test_a_seed_and_a_fading_change_the_image(lrisc, photo, checkpoint, tmp_path):
    images = []
    for index, options in enumerate([(), ("--seed", 1), ("--fading", "fast")]):
        target = tmp_path / f"{index}.png"
        code, *_ = lrisc("transmit", photo, target, "--checkpoint", checkpoint, *options)
        assert code == 0
        images.append(load_image(target))
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_a_mask_decides_the_region(lrisc, photo, checkpoint, tmp_path):
    mask = torch.zeros(3, 40, 56)
    save_image(mask, tmp_path / "nothing.png")
    save_image(mask + 1, tmp_path / "all.png")
    sizes = []
    for name in ("nothing", "all"):
        packet = tmp_path / f"{name}.lrisc"
        code, *_ = lrisc(
            "send", photo, packet, "--mask", tmp_path / f"{name}.png", "--checkpoint", checkpoint
        )
        assert code == 0
        sizes.append(packet.stat().st_size)
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16", "LA", "CMYK", "1"])
def test_every_kind_of_image_is_sent(lrisc, checkpoint, tmp_path, mode):
    grey = np.linspace(0, 65535, 40 * 56).reshape(40, 56)
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16))
    else:
        picture = Image.fromarray((grey / 256).astype(np.uint8)).convert("RGB").convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture.save(path)
    code, *_ = lrisc("transmit", path, tmp_path / "out.png", "--checkpoint", checkpoint)
    assert code == 0
    assert load_image(tmp_path / "out.png").shape == (1, 3, 40, 56)


def test_exif_rotation_is_honoured(lrisc, checkpoint, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    Image.new("RGB", (56, 40), "red").save(tmp_path / "a.jpg", exif=exif)
    code, *_ = lrisc(
        "transmit", tmp_path / "a.jpg", tmp_path / "out.png", "--checkpoint", checkpoint
    )
    assert code == 0
    assert load_image(tmp_path / "out.png").shape == (1, 3, 56, 40)


def test_bad_images_get_one_line(lrisc, one_line, checkpoint, tmp_path, photo):
    (tmp_path / "text.png").write_text("not an image")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(
        tmp_path / "cut.jpg"
    )
    cut = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(cut[: len(cut) // 2])
    for name in ("nowhere.png", "text.png", "cut.jpg"):
        error = one_line(
            lrisc("send", tmp_path / name, tmp_path / "a.lrisc", "--checkpoint", checkpoint)
        )
        assert name in error
    error = one_line(lrisc("transmit", photo, tmp_path / "a.xyz", "--checkpoint", checkpoint))
    assert ".xyz" in error


@pytest.mark.parametrize("snr_db", ["nan", "inf", "-100", "1000"])
def test_bad_snr_gets_one_line(lrisc, one_line, photo, checkpoint, tmp_path, snr_db):
    result = lrisc(
        "transmit", photo, tmp_path / "b.png", "--snr-db", snr_db, "--checkpoint", checkpoint
    )
    assert "SNR" in one_line(result)


def test_bad_packets_get_one_line(lrisc, one_line, photo, checkpoint, tmp_path):
    packet, image = tmp_path / "a.lrisc", tmp_path / "b.png"
    assert lrisc("send", photo, packet, "--checkpoint", checkpoint)[0] == 0
    data = packet.read_bytes()
    receive = ("receive", packet, image, "--snr-db", 10, "--checkpoint", checkpoint)
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    for bad in (bytes(damaged), data[:-5], data[:3], b"", photo.read_bytes()):
        packet.write_bytes(bad)
        assert "a.lrisc" in one_line(lrisc(*receive))
        assert not image.exists()
    packet.write_bytes(data)
    assert lrisc(*receive)[0] == 0


def test_a_packet_that_crossed_no_channel(lrisc, one_line, photo, checkpoint, tmp_path):
    packet = tmp_path / "a.lrisc"
    assert lrisc("send", photo, packet, "--checkpoint", checkpoint)[0] == 0
    result = lrisc("receive", packet, tmp_path / "b.png", "--checkpoint", checkpoint)
    assert "--snr-db" in one_line(result)


def test_presets_and_checkpoints_get_one_line(lrisc, one_line, photo, checkpoint, tmp_path):
    send = ("send", photo, tmp_path / "a.lrisc", "--checkpoint")
    assert "'huge'" in one_line(lrisc(*send, checkpoint, "--preset", "huge"))
    assert "preset 'paper'" in one_line(lrisc(*send, checkpoint, "--preset", "paper"))
    assert "config.json" in one_line(lrisc(*send, tmp_path))


def test_a_bandwidth_that_cannot_be_kept(lrisc, one_line, photo, checkpoint, tmp_path):
    result = lrisc(
        "send", photo, tmp_path / "a.lrisc", "--cbr", "0.00001", "--checkpoint", checkpoint
    )
    assert "side information" in one_line(result)


@pytest.fixture
def own_model(checkpoint, tmp_path, monkeypatch):
    """A folder with weights of a model of one's own, my_link:Mine, in the current folder."""
    (tmp_path / "my_link.py").write_text(
        "from lrisc_system import LRISC\n\n\nclass Mine(LRISC):\n"
        "    def send(self, *_, **__):\n        raise ValueError('mine was asked')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    return shutil.copytree(checkpoint, tmp_path / "model")


def test_a_model_of_ones_own_is_named_once(lrisc, one_line, photo, own_model, tmp_path):
    """By `--model`, or by the run card beside its weights."""
    send = ("send", photo, tmp_path / "a.lrisc", "--checkpoint", own_model)
    assert "mine was asked" in one_line(lrisc(*send, "--model", "my_link:Mine"))
    assert lrisc(*send)[0] == 0
    (own_model / CARD_NAME).write_text('{"model": "my_link:Mine"}')
    assert "mine was asked" in one_line(lrisc(*send))
    assert lrisc(*send, "--model", "lrisc")[0] == 0


@pytest.mark.parametrize("command", ["send", "transmit"])
def test_a_device_that_is_not_there_is_one_line(
    lrisc, one_line, photo, checkpoint, tmp_path, command
):
    result = lrisc(
        command, photo, tmp_path / "b.png", "--checkpoint", checkpoint, "--device", "abc"
    )
    assert "expected a device of cpu" in one_line(result)


def test_the_cpu_is_the_default_device(lrisc, photo, checkpoint, tmp_path):
    images = []
    for index, options in enumerate([(), ("--device", "cpu")]):
        target = tmp_path / f"{index}.png"
        code, *_ = lrisc("transmit", photo, target, "--checkpoint", checkpoint, *options)
        assert code == 0
        images.append(load_image(target))
    assert torch.equal(*images)
