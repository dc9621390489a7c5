"""Recordings in SigMF; needs the `sigmf` extra."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from lrisc_system.config import TINY
from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.recording import record_packet, recover_packet
from lrisc_system.radio.sigmf import read_sigmf, write_sigmf
from lrisc_system.radio.single_carrier import SingleCarrier
from lrisc_system.system import LRISC

sigmf = pytest.importorskip("sigmf", reason="needs the sigmf library: lrisc-system[sigmf]")


@pytest.fixture
def packet():
    generator = torch.Generator().manual_seed(0)
    return Packet(
        symbols=torch.randn(1000, dtype=torch.complex64, generator=generator),
        rate_stream=b"rates",
        z_stream=b"hyper-latent",
        gain_code=100,
        image_size=(48, 64),
        fingerprint=b"abcd",
    )


def test_a_recording_is_what_sigmf_says(packet, tmp_path):
    recording = record_packet(packet, sample_rate_hz=2e6, center_frequency_hz=433.92e6)
    meta_path, data_path = write_sigmf(recording, tmp_path / "a.b")
    assert (meta_path.name, data_path.name) == ("a.b.sigmf-meta", "a.b.sigmf-data")
    file = sigmf.sigmffile.fromfile(meta_path)  # checks the hash of the data, too
    file.validate()
    info = json.loads(meta_path.read_text())["global"]
    assert info["core:datatype"] == "cf32_le"
    assert info["core:sample_rate"] == 2e6
    assert info["core:extensions"] == [{"name": "lrisc", "version": "1.0.0", "optional": True}]
    assert info["lrisc:side_bits"] == packet.side_bits
    assert file.get_captures()[0]["core:frequency"] == 433.92e6
    samples = file.read_samples()
    assert samples.dtype == np.complex64
    assert len(samples) == SingleCarrier().length(1000)
    assert max(abs(samples.real).max(), abs(samples.imag).max()) == pytest.approx(0.9)


@pytest.mark.parametrize("name", ["a", "a.sigmf", "a.sigmf-meta", "a.sigmf-data"])
def test_a_packet_comes_back_by_any_name(packet, tmp_path, name):
    write_sigmf(record_packet(packet), tmp_path / name)
    received, _ = recover_packet(read_sigmf(tmp_path / name))
    assert torch.allclose(received.symbols, packet.symbols, atol=0.1)
    assert replace(received, symbols=packet.symbols, snr_db=None).to_bytes() == packet.to_bytes()
    assert received.snr_db == 40  # what the system takes for noiseless


def test_a_recording_crosses_a_link(packet, tmp_path):
    sent = record_packet(packet)
    link = RadioLink(gain=0.02, phase=1.0, carrier_offset=3e-4, delay=500.4)
    samples = link.record(sent.samples, 12.0, generator=torch.Generator().manual_seed(0))
    write_sigmf(replace(sent, samples=samples), tmp_path / "got")
    received, frame = recover_packet(read_sigmf(tmp_path / "got"))
    assert received.snr_db == pytest.approx(12, abs=1)
    assert frame.start == pytest.approx(500.4, abs=0.03)
    error = (received.symbols - packet.symbols).abs().square().mean().item()
    assert error == pytest.approx(10**-1.2, rel=0.25)


def test_a_radios_own_recording_takes_the_side_information_of_the_sent_one(packet, tmp_path):
    sent = record_packet(packet)
    write_sigmf(sent, tmp_path / "sent")
    samples = RadioLink(gain=0.5, delay=90.0).record(sent.samples, 30.0)
    shorts = torch.view_as_real(samples).mul(2**15).round().numpy().astype("<i2")
    shorts.tofile(tmp_path / "radio.sigmf-data")
    info = {"core:datatype": "ci16_le", "core:sample_rate": 1e6}
    file = sigmf.SigMFFile(data_file=tmp_path / "radio.sigmf-data", global_info=info)
    file.add_capture(0)
    file.tofile(tmp_path / "radio.sigmf-meta")
    with pytest.raises(PacketError, match="no side information"):
        recover_packet(read_sigmf(tmp_path / "radio"))
    received, frame = recover_packet(read_sigmf(tmp_path / "radio", sent=tmp_path / "sent"))
    assert received.z_stream == packet.z_stream
    assert frame.start == pytest.approx(90, abs=0.02)
    assert (received.symbols - packet.symbols).abs().square().mean() < 0.01


def test_a_packet_without_symbols(packet, tmp_path):
    empty = replace(packet, symbols=packet.symbols[:0])
    write_sigmf(record_packet(empty), tmp_path / "a")
    assert len(recover_packet(read_sigmf(tmp_path / "a"))[0].symbols) == 0


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
    recording = record_packet(packet)
    ideal, real = [], []
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(packet.symbols.shape, dtype=torch.complex64, generator=generator)
        noisy = replace(packet, symbols=packet.symbols + 10 ** (-snr_db / 20) * noise)
        ideal.append((system.receive(noisy, snr_db) - image).square().mean())
        link = RadioLink(
            gain=0.03, phase=1.0 + seed, carrier_offset=4e-4, delay=777.3 + 0.17 * seed
        )
        samples = link.record(recording.samples, snr_db, generator=generator)
        write_sigmf(replace(recording, samples=samples), tmp_path / "got")
        received, _ = recover_packet(read_sigmf(tmp_path / "got"))
        assert received.snr_db is not None
        real.append((system.receive(received, received.snr_db) - image).square().mean())
    loss_db = 10 * (torch.stack(real).mean() / torch.stack(ideal).mean()).log10().item()
    assert len(packet.symbols) > 100
    assert loss_db < 1


def test_damaged_recordings_end_in_one_line(packet, tmp_path):
    meta_path, data_path = write_sigmf(record_packet(packet), tmp_path / "a")
    meta, data = meta_path.read_text(), data_path.read_bytes()
    info = json.loads(meta)

    def changed(**fields):
        return json.dumps({**info, "global": {**info["global"], **fields}})

    def broken(meta=meta, data=data):
        meta_path.write_text(meta)
        data_path.write_bytes(data)
        with pytest.raises(ValueError, match=r".") as caught:
            recover_packet(read_sigmf(meta_path))
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)

    assert "a.sigmf-meta" in broken(meta="{")
    assert "a.sigmf-meta" in broken(meta="[]")
    assert "hash" in broken(data=data[:-8])
    assert "one channel of complex" in broken(meta=changed(**{"core:datatype": "rf32_le"}))
    assert "one channel of complex" in broken(meta=changed(**{"core:num_channels": 2}))
    assert "sample rate" in broken(meta=changed(**{"core:sample_rate": -1}))
    assert "side information" in broken(meta=changed(**{"lrisc:side_information": "AAAA"}))
    assert "side information" in broken(meta=changed(**{"lrisc:side_information": 7}))
    assert "lrisc:symbols" in broken(meta=changed(**{"lrisc:symbols": -1}))
    assert "lrisc:symbols" in broken(meta=changed(**{"lrisc:symbols": "many"}))
    assert "samples" in broken(meta=changed(**{"lrisc:symbols": 10**15}))
    data_path.unlink()
    with pytest.raises(PacketError, match="no readable SigMF"):
        read_sigmf(meta_path)
    with pytest.raises(PacketError, match=r"nowhere.*no readable SigMF"):
        read_sigmf(tmp_path / "nowhere.sigmf-meta")
    with pytest.raises(PacketError, match="cannot be written"):
        write_sigmf(record_packet(packet), tmp_path / "no folder" / "a")


def test_without_the_library(packet, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sigmf", None)
    with pytest.raises(ImportError, match=r"pip install 'lrisc-system\[sigmf\]'"):
        write_sigmf(record_packet(packet), tmp_path / "a")
