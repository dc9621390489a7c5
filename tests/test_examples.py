"""The scripts under examples/ run and show what they say."""

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lrisc_system import (
    LRISC,
    SynthesisDecoder,
    load_image,
    load_model,
    preset,
    read_packet,
    write_packet,
)
from lrisc_system.commands.demo import PHOTO
from lrisc_system.data.images import save_image
from lrisc_system.data.photos import PhotoCrops
from lrisc_system.metrics.quality import evaluate_pair
from lrisc_system.training.initialization import start_in_closed_form
from lrisc_system.training.validation import centre_crop

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def needs_diffusers():
    pytest.importorskip("diffusers", reason="needs diffusers: pip install diffusers")


@pytest.fixture(scope="module")
def system():
    """The linear link that every model starts as, of the photo that ships."""
    torch.manual_seed(0)
    system = LRISC(preset("tiny"))
    start_in_closed_form(system, PhotoCrops([PHOTO]), patches=2048)
    system.hyperprior.update()
    return system.eval()


@pytest.fixture(scope="module")
def image():
    return centre_crop(load_image(PHOTO), size=192)


def test_every_example_is_listed():
    listed = (EXAMPLES / "README.md").read_text()
    assert [path.name for path in EXAMPLES.glob("*.py") if f"`{path.name}`" not in listed] == []


def test_a_decoder_of_diffusers_trains_and_transmits(tmp_path):
    needs_diffusers()
    example = load("diffusers_decoder")
    for index in range(3):
        coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(index))
        smooth = torch.nn.functional.interpolate(coarse, size=160, mode="bicubic")
        save_image(smooth, tmp_path / f"{index}.png")
    options = ["--preset", "tiny", "--data", tmp_path, "--output", tmp_path / "run"]
    command = [sys.executable, "-m", "lrisc_system.train", "--workers", "0", *options]
    command += ["--model", "diffusers_decoder:make_model"]
    subprocess.run(list(map(str, command)), cwd=EXAMPLES, check=True, capture_output=True)
    system = load_model(tmp_path / "run" / "model", make_model=example.make_model)
    assert system.decoder.unet.conv_out.weight.abs().max() > 0  # it was zero
    photo = load_image(tmp_path / "0.png")[..., :150, :133]
    first, again, other = (
        system.transmit(
            photo, 10.0, steps=steps, generator=torch.Generator().manual_seed(0), eta=0.5
        )[0]
        for steps in (1, 1, 4)
    )
    assert first.shape == photo.shape
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert evaluate_pair(photo, first).psnr > 20


def test_a_decoder_of_diffusers_starts_as_its_base(system):
    needs_diffusers()
    example = load("diffusers_decoder")
    decoder = example.DiffusersDecoder(system.decoder.base)
    plain = SynthesisDecoder(system.decoder.base)
    y_hat = torch.randn(2, 32, 4, 4)
    redrawn = decoder.decode(y_hat, image_size=(60, 50), steps=3)
    assert torch.allclose(redrawn, plain.decode(y_hat, image_size=(60, 50)), atol=1e-5)
    image = torch.rand(2, 3, 64, 64)
    estimate = decoder.estimate(image, y_hat)
    assert torch.allclose(estimate.image, plain.estimate(image, y_hat).image, atol=1e-5)
    assert ((estimate.weight >= 1) & (estimate.weight <= 5)).all()


def test_our_decoder_learns_on_a_latent_of_compressai():
    losses, images = load("compressai_latent").main(steps=15)
    assert losses[-1] < 0.5 * losses[0]
    assert images.shape == (4, 3, 64, 64)
    assert 0 <= images.min() <= images.max() <= 1


def test_schedule_and_ddim_agree_with_diffusers():
    needs_diffusers()
    gaps = load("diffusers_agreement").main()
    assert len(gaps) == 7
    assert max(gaps.values()) < 1e-5, gaps


def test_schedulers_of_diffusers_sample_our_decoder(system, image):
    needs_diffusers()
    results = load("diffusers_samplers").main(system, image, steps=4)
    assert len(results) == 4
    images = torch.cat([received for received, _ in results.values()])
    assert images.shape == (4, *image.shape[1:])
    assert min(psnr for _, psnr in results.values()) > 20
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(images, 2))


def test_any_callable_is_a_channel(system, image):
    psnr_db = load("own_channel").main(system, image)
    assert psnr_db["AWGN"] > 20
    assert psnr_db["bursts"] < psnr_db["AWGN"] - 0.5
    assert psnr_db["radios"] > psnr_db["AWGN"] - 1


def test_a_packet_crosses_a_channel_of_another_environment(system, image, tmp_path):
    """By a stand-in for Sionna: additive noise by numpy."""
    example = load("sionna_channel")
    random = np.random.default_rng(0)

    def noise(symbols, snr_db):
        normal = random.standard_normal((2, len(symbols)))
        return symbols + 10 ** (-snr_db / 20) * (normal[0] + 1j * normal[1]) / 2**0.5

    sent = system.send(image, 10.0)
    write_packet(sent, tmp_path / "sent.lrisc")
    example.main(tmp_path / "sent.lrisc", tmp_path / "received.lrisc", snr_db=10.0, channel=noise)
    received = read_packet(tmp_path / "received.lrisc")
    assert received.snr_db == 10
    assert received.side_bits == sent.side_bits
    error = (received.symbols - sent.symbols).abs().square().mean().item()
    assert error == pytest.approx(0.1, rel=0.1)
    ideal, _ = system.transmit(image, 10.0, generator=torch.Generator().manual_seed(0))
    arrived = system.receive(received, received.snr_db)
    gap = evaluate_pair(image, ideal).psnr - evaluate_pair(image, arrived).psnr
    assert abs(gap) < 0.5


def test_a_channel_that_changes_nothing_changes_no_byte(system, image, tmp_path):
    example = load("sionna_channel")
    paths = tmp_path / "sent.lrisc", tmp_path / "received.lrisc"
    write_packet(system.send(image, 10.0), paths[0])
    example.main(*paths, snr_db=7.0, channel=lambda symbols, snr_db: symbols)
    data = [path.read_bytes() for path in paths]
    assert data[0][:-12] == data[1][:-12]
    assert read_packet(paths[1]).snr_db == 7


def test_the_sionna_script_needs_nothing_of_ours():
    """Its environment has another numpy."""
    code = (
        "import runpy, sys\n"
        f"runpy.run_path({str(EXAMPLES / 'sionna_channel.py')!r})\n"
        "print({name.split('.')[0] for name in sys.modules} & "
        "{'torch', 'compressai', 'sionna', 'lrisc_system'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "set()"
    with pytest.raises(ValueError, match="expected an LRISC packet"):
        load("sionna_channel").split_packet(b"something else")


def test_a_photo_crosses_a_radio_link_as_recordings(system, image, tmp_path, capsys):
    pytest.importorskip("sigmf", reason="needs the sigmf library: lrisc-system[sigmf]")
    arrived = load("sigmf_link").main(system, image, tmp_path)
    text = capsys.readouterr().out
    assert "symbols in a frame of" in text
    assert "found at sample 1234.5" in text
    ideal, _ = system.transmit(image, 10.0, cbr=0.03, generator=torch.Generator().manual_seed(0))
    assert evaluate_pair(image, arrived).psnr > evaluate_pair(image, ideal).psnr - 1
