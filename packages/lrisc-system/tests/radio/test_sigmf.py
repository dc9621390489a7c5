"""Recordings in SigMF; needs the `sigmf` extra."""

import dataclasses
import json
import re
import sys

import numpy as np
import pytest
import torch

from lrisc_system.config import TINY
from lrisc_system.packets.packet import PacketError
from lrisc_system.radio.frame import Frame
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.receiver import find_frames
from lrisc_system.radio.recording import Recording, record_frames
from lrisc_system.radio.samples import MemorySamples
from lrisc_system.radio.sigmf import read_sigmf, write_sigmf
from lrisc_system.system import LRISC

sigmf = pytest.importorskip("sigmf", reason="needs the sigmf library: lrisc-system[sigmf]")


@pytest.fixture
def recording(packet):
    frame = Frame.from_packet(packet, 10.0)
    return record_frames([frame], sample_rate_hz=2e6, center_frequency_hz=433.92e6)


def values(recording):
    return recording.samples.read(0, len(recording.samples))


def received(recording, snr_db, **link):
    """A recording of a recording, without annotations."""
    generator = torch.Generator().manual_seed(0)
    samples = RadioLink(**link).record(values(recording), snr_db, generator=generator)
    return Recording(MemorySamples(samples), recording.sample_rate_hz)


def only_packet(recording):
    (found,) = find_frames(recording.samples)
    return found.packet()


def test_a_recording_is_what_sigmf_says(recording, tmp_path):
    meta_path, data_path = write_sigmf(recording, tmp_path / "a.b")
    assert (meta_path.name, data_path.name) == ("a.b.sigmf-meta", "a.b.sigmf-data")
    file = sigmf.sigmffile.fromfile(meta_path)  # checks the hash of the data, too
    file.validate()
    meta = json.loads(meta_path.read_text())
    assert meta["global"]["core:datatype"] == "cf32_le"
    assert meta["global"]["core:sample_rate"] == 2e6
    assert not [name for name in meta["global"] if name.startswith("lrisc")]
    (annotation,) = meta["annotations"]
    assert annotation["core:sample_start"] == 0
    assert annotation["core:sample_count"] == len(recording.samples)
    assert annotation["core:label"] == "LRISC frame number 0, 64 x 48, oversampling 1"
    assert file.get_captures()[0]["core:frequency"] == 433.92e6
    samples = file.read_samples()
    assert samples.dtype == np.complex64
    assert max(abs(samples.real).max(), abs(samples.imag).max()) == pytest.approx(0.9)


@pytest.mark.parametrize("name", ["a", "a.sigmf", "a.sigmf-meta", "a.sigmf-data"])
def test_a_recording_comes_back_by_any_name(packet, recording, tmp_path, name):
    write_sigmf(recording, tmp_path / name)
    read = read_sigmf(tmp_path / name)
    assert (read.sample_rate_hz, read.center_frequency_hz) == (2e6, 433.92e6)
    assert read.annotations == recording.annotations
    assert torch.equal(read.samples.read(100, 50), recording.samples.read(100, 50))
    assert len(read.samples.read(len(read.samples) - 5, 50)) == 5
    assert torch.allclose(only_packet(read).symbols, packet.symbols, atol=0.1)


def test_a_radios_own_recording_is_as_good(packet, recording, tmp_path):
    """Of short integers, with metadata of another program."""
    heard = received(recording, 30.0, gain=0.5, delay=90.0)
    shorts = torch.view_as_real(values(heard)).mul(2**15).round().numpy().astype("<i2")
    shorts.tofile(tmp_path / "radio.sigmf-data")
    info = {"core:datatype": "ci16_le", "core:sample_rate": 1e6}
    file = sigmf.SigMFFile(data_file=tmp_path / "radio.sigmf-data", global_info=info)
    file.add_capture(0)
    file.tofile(tmp_path / "radio.sigmf-meta")
    arrived = only_packet(read_sigmf(tmp_path / "radio"))
    assert arrived.z_stream == packet.z_stream
    assert (arrived.symbols - packet.symbols).abs().square().mean() < 0.01


@pytest.mark.parametrize("snr_db", [10.0, 15.0, 20.0])
def test_the_image_comes_back_within_a_decibel(tmp_path, snr_db):
    """From 10 dB on: gain, phase, 400 Hz at 1 MS/s and a fractional delay, all unknown."""
    torch.manual_seed(0)
    system = LRISC(TINY)
    system.hyperprior.channel_scale.copy_(8 * 0.9 ** torch.arange(32.0))
    # An orthogonal transform at the start, so that the chain is the linear link.
    basis = torch.linalg.qr(torch.randn(768, 32)).Q.T.reshape(32, 3, 16, 16)
    system.g_a.linear.weight.data.copy_(20 * basis)
    system.g_a.linear.bias.data.zero_()
    system.decoder.base.linear.weight.data.copy_(basis / 20)
    system.decoder.base.linear.bias.data.fill_(0.5)
    system.hyperprior.update()
    system.eval()
    # An image that the transform can carry.
    latent = torch.randn(1, 32, 8, 8) * (8 * 0.9 ** torch.arange(32.0)).reshape(1, 32, 1, 1)
    image = system.decoder.base(latent).detach().clamp(0, 1)

    packet = system.send(image, snr_db, eta=0.5)
    recording = record_frames([Frame.from_packet(packet, snr_db)])
    ideal, real = [], []
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(packet.symbols.shape, dtype=torch.complex64, generator=generator)
        noisy = dataclasses.replace(packet, symbols=packet.symbols + 10 ** (-snr_db / 20) * noise)
        ideal.append((system.receive(noisy, snr_db) - image).square().mean())
        link = RadioLink(
            gain=0.03, phase=1.0 + seed, carrier_offset=4e-4, delay=777.3 + 0.17 * seed
        )
        samples = link.record(values(recording), snr_db, generator=generator)
        write_sigmf(Recording(MemorySamples(samples), 1e6), tmp_path / "got")
        arrived = only_packet(read_sigmf(tmp_path / "got"))
        assert arrived.snr_db is not None
        real.append((system.receive(arrived, arrived.snr_db) - image).square().mean())
    loss_db = 10 * (torch.stack(real).mean() / torch.stack(ideal).mean()).log10().item()
    assert len(packet.symbols) > 100
    assert loss_db < 1


def test_damaged_recordings_end_in_one_line(recording, tmp_path):
    meta_path, data_path = write_sigmf(recording, tmp_path / "a")
    meta, data = meta_path.read_text(), data_path.read_bytes()
    info = json.loads(meta)

    def changed(**fields):
        return json.dumps({**info, "global": {**info["global"], **fields}})

    def broken(meta=meta, data=data):
        meta_path.write_text(meta)
        data_path.write_bytes(data)
        with pytest.raises(PacketError) as caught:
            read_sigmf(meta_path)
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)

    assert "a.sigmf-meta" in broken(meta="{")
    assert "a.sigmf-meta" in broken(meta="[]")
    assert "hash" in broken(data=data[:-8])
    assert "one channel of complex" in broken(meta=changed(**{"core:datatype": "rf32_le"}))
    assert "one channel of complex" in broken(meta=changed(**{"core:num_channels": 2}))
    assert "sample rate" in broken(meta=changed(**{"core:sample_rate": -1}))
    meta_path.write_text(meta)
    data_path.unlink()
    with pytest.raises(PacketError, match="no readable SigMF"):
        read_sigmf(meta_path)
    with pytest.raises(PacketError, match=r"nowhere.*no readable SigMF"):
        read_sigmf(tmp_path / "nowhere.sigmf-meta")
    with pytest.raises(PacketError, match="cannot be written"):
        write_sigmf(recording, tmp_path / "no folder" / "a")


def test_without_the_library(recording, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sigmf", None)
    with pytest.raises(ImportError, match=r"pip install 'lrisc-system\[sigmf\]'"):
        write_sigmf(recording, tmp_path / "a")


def edit(meta, **changes):
    described = json.loads(meta.read_text())
    described["global"] |= changes
    meta.write_text(json.dumps(described))


@pytest.mark.parametrize("kind", ["absolute", "above", "link", "missing", "number"])
def test_metadata_open_no_file_but_one_beside_them(recording, tmp_path, kind):
    (tmp_path / "secret").write_bytes(bytes(800))
    (tmp_path / "r").mkdir()
    meta, data = write_sigmf(recording, tmp_path / "r" / "a")
    (tmp_path / "r" / "link").symlink_to(tmp_path / "secret")
    named = {
        "absolute": str(tmp_path / "secret"),
        "above": "../secret",
        "link": "link",
        "missing": "none.iq",
        "number": 7,
    }[kind]
    edit(meta, **{"core:dataset": named})
    with pytest.raises(PacketError, match="expected core:dataset"):
        read_sigmf(meta)
    data.rename(data.with_name("own.iq"))
    edit(meta, **{"core:dataset": "own.iq", "core:sha512": None})
    described = json.loads(meta.read_text())
    del described["global"]["core:sha512"]
    meta.write_text(json.dumps(described))
    assert len(read_sigmf(meta).samples) == len(recording.samples)


@pytest.mark.parametrize("rate", ["1e400", "1" + "0" * 400, "-1", '"fast"', "null", "[1]"])
def test_absurd_rates_are_one_line(recording, tmp_path, rate):
    meta, _ = write_sigmf(recording, tmp_path / "a")
    text = meta.read_text()
    changed = re.sub(r'(?<="core:sample_rate": )[\d.e+]+', rate, text)
    assert changed != text
    meta.write_text(changed)
    with pytest.raises(PacketError) as caught:
        read_sigmf(meta)
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_the_pair_that_was_there(recording, tmp_path, monkeypatch):
    write_sigmf(recording, tmp_path / "a")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    synced = []

    def fill(descriptor):
        synced.append(descriptor)
        if len(synced) == 2:  # the metadata
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fill)
    with pytest.raises(PacketError, match="cannot be written"):
        write_sigmf(recording, tmp_path / "a")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
