"""The command line in this process; `tests/test_three_processes.py` runs it in three."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lrisc_system.commands.main import main
from lrisc_system.config import TINY
from lrisc_system.data.images import load_image, save_image
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.sigmf import read_sigmf, write_sigmf
from lrisc_system.storage.checkpoint import load_model, save_model
from lrisc_system.storage.pretrained import WEIGHTS_NAME
from lrisc_system.storage.tensors import read_tensors
from lrisc_system.system import LRISC


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    system = LRISC(TINY)
    system.hyperprior.channel_scale.copy_(8 * 0.9 ** torch.arange(32.0))
    system.g_a.linear.weight.data.mul_(20)
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    save_model(system, folder)
    return str(folder)


@pytest.fixture
def photo(tmp_path):
    save_image(
        torch.rand(3, 40, 56, generator=torch.Generator().manual_seed(0)), tmp_path / "a.png"
    )
    return tmp_path / "a.png"


@pytest.fixture
def lrisc(monkeypatch, capsys):
    """Run a command; returns its exit code, output and error text."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["lrisc", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def one_line(result):
    """The command failed as a user's mistake should: exit code 2 and one line."""
    code, _, error = result
    assert code == 2, result
    assert error.startswith("lrisc: ")
    assert len(error.splitlines()) == 1
    return error


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


def test_bad_images_get_one_line(lrisc, checkpoint, tmp_path, photo):
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
def test_bad_snr_gets_one_line(lrisc, photo, checkpoint, tmp_path, snr_db):
    result = lrisc(
        "transmit", photo, tmp_path / "b.png", "--snr-db", snr_db, "--checkpoint", checkpoint
    )
    assert "SNR" in one_line(result)


def test_bad_packets_get_one_line(lrisc, photo, checkpoint, tmp_path):
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


def test_a_packet_that_crossed_no_channel(lrisc, photo, checkpoint, tmp_path):
    packet = tmp_path / "a.lrisc"
    assert lrisc("send", photo, packet, "--checkpoint", checkpoint)[0] == 0
    result = lrisc("receive", packet, tmp_path / "b.png", "--checkpoint", checkpoint)
    assert "--snr-db" in one_line(result)


def test_presets_and_checkpoints_get_one_line(lrisc, photo, checkpoint, tmp_path):
    send = ("send", photo, tmp_path / "a.lrisc", "--checkpoint")
    assert "'huge'" in one_line(lrisc(*send, checkpoint, "--preset", "huge"))
    assert "preset 'paper'" in one_line(lrisc(*send, checkpoint, "--preset", "paper"))
    assert "config.json" in one_line(lrisc(*send, tmp_path))


def test_a_bandwidth_that_cannot_be_kept(lrisc, photo, checkpoint, tmp_path):
    result = lrisc(
        "send", photo, tmp_path / "a.lrisc", "--cbr", "0.00001", "--checkpoint", checkpoint
    )
    assert "side information" in one_line(result)


@pytest.mark.parametrize(
    "command", ["send", "channel", "receive", "transmit", "demo", "train", "evaluate"]
)
def test_every_command_explains_itself(lrisc, command):
    code, output, _ = lrisc(command, "--help")
    assert code == 0
    assert "usage: lrisc" in output
    assert len(output.splitlines()) > 10


def test_a_photo_crosses_a_radio_link(lrisc, photo, checkpoint, tmp_path):
    pytest.importorskip("sigmf", reason="needs the sigmf library: lrisc-system[sigmf]")
    sent, received = tmp_path / "sent.sigmf-meta", tmp_path / "received.sigmf-meta"
    model = ("--checkpoint", checkpoint)
    options = ("--sample-rate-hz", 2e6, "--center-frequency-hz", 433.92e6)
    code, output, _ = lrisc("send", photo, sent, "--format", "sigmf", *options, *model)
    assert code == 0
    recording = read_sigmf(sent)
    assert (recording.sample_rate_hz, recording.center_frequency_hz) == (2e6, 433.92e6)
    overhead = len(recording.samples) - recording.symbols
    assert f"{overhead} channel uses of preamble and pilots" in output

    link = RadioLink(gain=0.1, carrier_offset=3e-4, delay=100.5)
    generator = torch.Generator().manual_seed(0)
    samples = link.record(recording.samples, 15.0, generator=generator)
    write_sigmf(replace(recording, samples=samples, side=None), received)
    image = tmp_path / "b.png"
    assert "no side information" in one_line(lrisc("receive", received, image, *model))
    code, output, _ = lrisc("receive", received, image, "--sent", sent, *model)
    assert code == 0
    found = re.search(r"frame found at sample ([\d.]+),", output)
    assert found is not None
    assert float(found[1]) == pytest.approx(100.5, abs=0.1)
    assert load_image(image).shape == (1, 3, 40, 56)

    packet = tmp_path / "a.lrisc"
    assert lrisc("send", photo, packet, *model)[0] == 0
    assert "--sent" in one_line(lrisc("receive", packet, image, "--sent", sent, *model))


def test_evaluate_compares(lrisc, photo, checkpoint, tmp_path):
    code, output, error = lrisc(
        *("evaluate", "--data", photo.parent, "--out", tmp_path / "results"),
        *("--checkpoint", checkpoint, "--links", "lrisc", "linear", "--seeds", 1),
        *("--snr-db", 10, 19, "--cbr", 0.1, "--bandwidths", 0.1, "--picture-cbr", 0.1),
    )
    assert code == 0, error
    assert "one image, whole images, AWGN, one channel seed" in output
    assert len((tmp_path / "results" / "results.csv").read_text().splitlines()) == 1 + 2 * 2


def test_evaluate_refuses_in_one_line(lrisc, photo, tmp_path):
    evaluate = ("evaluate", "--data", photo.parent, "--out", tmp_path / "results")
    assert "got 'radio'" in one_line(lrisc(*evaluate, "--links", "radio"))
    assert "config.json" in one_line(lrisc(*evaluate, "--checkpoint", tmp_path))
    assert "got 3" in one_line(lrisc(*evaluate, "--cbr", 3))


def test_train_asks_for_its_folders(lrisc, tmp_path):
    (tmp_path / "empty").mkdir()
    result = lrisc(
        *("train", "--preset", "tiny", "--data", tmp_path / "empty", "--output", tmp_path / "run")
    )
    assert "expected images" in one_line(result)


@pytest.fixture
def other(checkpoint, tmp_path):
    """A checkpoint of the same config with other weights."""
    system = load_model(Path(checkpoint))
    with torch.no_grad():
        for parameter in system.g_a.parameters():
            parameter.add_(2.0)
    save_model(system, tmp_path / "other")
    return tmp_path / "other"


@pytest.mark.parametrize(
    ("option", "dtype"), [((), torch.float32), (("--float16",), torch.float16)]
)
def test_an_average_lies_between_its_models(lrisc, checkpoint, other, tmp_path, option, dtype):
    code, output, _ = lrisc("average", checkpoint, other, "--out", tmp_path / "mean", *option)
    assert code == 0
    assert "2 models" in output
    first, mean = (read_tensors(Path(f, WEIGHTS_NAME)) for f in (checkpoint, tmp_path / "mean"))
    name = next(name for name in first if name.startswith("g_a."))
    assert mean[name].dtype == dtype
    torch.testing.assert_close(mean[name].float(), first[name] + 1.0, rtol=0, atol=2e-3)


def test_averages_that_cannot_be(lrisc, checkpoint, other, tmp_path):
    out = ("--out", tmp_path / "mean")
    assert "two models" in one_line(lrisc("average", checkpoint, *out))
    assert "empty output folder" in one_line(
        lrisc("average", checkpoint, other, "--out", checkpoint)
    )
    save_model(LRISC(replace(TINY, alpha=0.123)), tmp_path / "alpha")
    assert "another config" in one_line(lrisc("average", checkpoint, tmp_path / "alpha", *out))
    assert not (tmp_path / "mean").exists()
