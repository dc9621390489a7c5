import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lrisc_system.commands import simulation
from lrisc_system.data.images import load_image, save_image
from lrisc_system.storage.checkpoint import CARD_NAME, load_model, save_model


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


def test_realism_changes_the_image_and_is_checked_first(lrisc, photo, checkpoint, tmp_path):
    trained = load_model(Path(checkpoint))
    torch.nn.init.normal_(trained.decoder.natural_unet.head.weight, std=0.1)
    save_model(trained, tmp_path / "trained")
    images = []
    for index, options in enumerate([(), ("--realism", 1), ("--realism", 1, "--realism-roi", 0)]):
        target = tmp_path / f"{index}.png"
        code, *_ = lrisc("transmit", photo, target, "--checkpoint", tmp_path / "trained", *options)
        assert code == 0
        images.append(load_image(target))
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(images[1], images[2])
    code, _, error = lrisc("transmit", photo, tmp_path / "x.png", "--realism", 1.5)
    assert code == 2
    assert "expected a realism in [0, 1], got 1.5" in error
    assert not (tmp_path / "x.png").exists()


def test_several_steps_show_their_progress_on_a_terminal_alone(
    lrisc, photo, checkpoint, tmp_path, monkeypatch
):
    shown = []

    class Recorder(simulation.Progress):
        def update(self, task, **fields):
            shown.append(fields["completed"])
            super().update(task, **fields)

    monkeypatch.setattr(simulation, "Progress", Recorder)
    options = ("--checkpoint", checkpoint, "--steps")
    code, output, _ = lrisc("transmit", photo, tmp_path / "3.png", *options, 3)
    assert code == 0
    assert shown == [1, 2, 3]
    assert "Decoding" not in output  # this is no terminal
    assert lrisc("transmit", photo, tmp_path / "1.png", *options, 1)[0] == 0
    assert len(shown) == 3
    one, three = (load_image(tmp_path / f"{steps}.png") for steps in (1, 3))
    assert not torch.equal(one, three)


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


def test_images_and_packets_of_too_many_pixels(lrisc, one_line, photo, checkpoint, tmp_path):
    packet, out = tmp_path / "a.lrisc", tmp_path / "b.png"
    few = ("--max-pixels", 2239, "--checkpoint", checkpoint)  # the photo has 40 x 56
    for command in (("send", photo, packet), ("transmit", photo, out)):
        assert "at most 2239 (--max-pixels), got 56 x 40" in one_line(lrisc(*command, *few))
    assert lrisc("send", photo, packet, "--checkpoint", checkpoint)[0] == 0
    result = lrisc("receive", packet, out, "--snr-db", 10, *few)
    assert "a.lrisc: expected at most 2239 pixels (--max-pixels)" in one_line(result)
    assert not out.exists()
    result = lrisc("channel", packet, tmp_path / "c.lrisc", "--max-pixels", 2239)
    assert "a.lrisc: expected at most 2239 pixels" in one_line(result)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["send", "a.png", "a.png"], "expected another file to write than the source"),
        (["channel", "a.png", "a.png"], "expected another file to write than the source"),
        (["receive", "a.png", "a.png"], "expected another file to write than the source"),
        (["transmit", "a.png", "a.png"], "expected another file to write than the source"),
        (["send", "a.png", "none/b.lrisc"], "expected an existing folder"),
        (["receive", "b.lrisc", "b.xyz"], "expected a suffix of"),
        (["transmit", "a.png", "b.xyz"], "expected a suffix of"),
        (["average", "a", "b", "--out", "a.png"], "a new or an empty output folder, got a.png"),
        (["demo", "--out", "a.png"], "expected a folder to write to, got"),
        (["evaluate", "--data", ".", "--out", "a.png"], "expected a folder to write to, got"),
        (
            ["train", "--preset", "tiny", "--data", ".", "--output", "a.png/run"],
            "expected a folder to write to, got",
        ),
    ],
)
def test_outputs_are_refused_before_anything_is_computed(
    lrisc, one_line, photo, monkeypatch, arguments, message
):
    """No model is read: none is there."""
    monkeypatch.chdir(photo.parent)
    before = photo.read_bytes()
    if arguments[0] in ("send", "receive", "transmit", "demo", "evaluate"):
        arguments = [*arguments, "--checkpoint", "nowhere"]
    assert message in one_line(lrisc(*arguments))
    assert photo.read_bytes() == before


DETECTOR = """
from lrisc_system import LRISC

def detect(image):
    return image.nothing

def make(config):
    return LRISC(config, detector=detect)
"""


def test_an_error_in_a_users_detector_is_one_line(lrisc, one_line, checkpoint, photo, monkeypatch):
    monkeypatch.chdir(photo.parent)
    monkeypatch.setattr("sys.path", [str(photo.parent), *sys.path])
    (photo.parent / "faulty_detector.py").write_text(DETECTOR)
    options = ["--checkpoint", checkpoint, "--model", "faulty_detector:make"]
    line = one_line(lrisc("transmit", "a.png", "b.png", *options))
    assert "AttributeError: 'Tensor' object has no attribute 'nothing'" in line
    assert "faulty_detector.py:5; LRISC_TRACEBACK=1 prints the traceback)" in line
    assert not (photo.parent / "b.png").exists()
