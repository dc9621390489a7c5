"""Recordings that GNU Radio 3.10 wrote; `examples/gnuradio/channel.py` is its flowgraph.

The files hold a whole frame behind 500 zeros at 20 dB per symbol, with a carrier offset of 0.02
cycles per sample, a clock off by 10 ppm, taps [1, 0.3j, 0.1], phase noise, IQ imbalance and DC.
This file, run as a program where GNU Radio is, writes them again.
"""

import subprocess
import tempfile
from pathlib import Path

import pytest
import torch

from lrisc_system.packets.packet import Packet
from lrisc_system.radio.frame import Frame
from lrisc_system.radio.framing import zadoff_chu
from lrisc_system.radio.receiver import find_frames
from lrisc_system.radio.samples import RawSamples
from lrisc_system.radio.single_carrier import SingleCarrier

DATA = Path(__file__).parent / "data"
FLOWGRAPH = Path(__file__).parents[4] / "examples" / "gnuradio" / "channel.py"
PYTHON = "/usr/bin/python3"  # the one that Debian's GNU Radio belongs to
PACKET = Packet(
    symbols=zadoff_chu(1501, root=7)[:1500].to(torch.complex64),
    rate_stream=b"rates of the tokens",
    z_stream=b"hyper-latent",
    gain_code=100,
    image_size=(48, 64),
    fingerprint=b"abcd",
)
IMPAIRMENTS = {
    "--delay": 500,
    "--frequency-offset": 0.02,
    "--epsilon": 1 + 1e-5,
    "--phase-noise": 0.003,
    "--iq-magnitude-db": 0.4238,
    "--dc": 0.04,
}


def has_gnuradio():
    if not Path(PYTHON).exists():
        return False
    return subprocess.run([PYTHON, "-c", "import gnuradio"], capture_output=True).returncode == 0


def cross(received, *, oversampling, snr_db, options, folder):
    """Send the frame through GNU Radio into a file."""
    waveform, sent = SingleCarrier(oversampling=oversampling), folder / "sent.cf32"
    samples = Frame.from_packet(PACKET, 10.0, waveform=waveform, frame_number=7).samples()
    torch.nn.functional.pad(samples, (0, 200)).numpy().tofile(sent)
    noise = ("--noise-voltage", 10 ** (-snr_db / 20) * oversampling**0.5)
    command = (PYTHON, FLOWGRAPH, sent, received, *noise, *options)
    subprocess.run([str(word) for word in command], check=True)


def receive(path, *, oversampling):
    """Find the only frame of a file: it, its packet, and the SNR of its symbols in dB."""
    waveform = SingleCarrier(oversampling=oversampling)
    (found,) = find_frames(RawSamples(path), waveform=waveform)
    packet = found.packet()
    assert (packet.rate_stream, packet.z_stream) == (PACKET.rate_stream, PACKET.z_stream)
    assert found.header.frame_number == 7
    error = (packet.symbols - PACKET.symbols).abs().square().mean()
    return found, packet, -10 * error.log10().item()


@pytest.mark.parametrize("oversampling", [1, 2])
def test_a_recording_by_gnuradio_is_received(oversampling):
    found, packet, snr_db = receive(
        DATA / f"gnuradio-{oversampling}.cf32", oversampling=oversampling
    )
    assert snr_db > 18  # measured 18.7 and 18.4 dB
    assert packet.snr_db == pytest.approx(snr_db, abs=1.5)
    assert found.start == pytest.approx(497, abs=0.3)  # its interpolator is 3 samples early
    assert found.frame.reception.carrier_offset == pytest.approx(0.02, abs=6e-5)


@pytest.mark.skipif(not has_gnuradio(), reason="needs GNU Radio: apt-get install gnuradio")
def test_a_frame_crosses_a_channel_of_gnuradio(tmp_path):
    received = tmp_path / "received.cf32"
    options = ("--frequency-offset", -0.05, "--delay", 300)
    cross(received, oversampling=2, snr_db=20, options=options, folder=tmp_path)
    found, packet, snr_db = receive(received, oversampling=2)
    assert snr_db == pytest.approx(20, abs=0.6)
    assert packet.snr_db == pytest.approx(20, abs=1)
    assert found.frame.reception.carrier_offset == pytest.approx(-0.05, abs=5e-5)


def write_data(folder):
    """Write the recordings of DATA."""
    words = [word for option in IMPAIRMENTS.items() for word in option]
    for oversampling in (1, 2):
        cross(
            DATA / f"gnuradio-{oversampling}.cf32",
            oversampling=oversampling,
            snr_db=20,
            options=(*words, "--taps", 1, 0.3j, 0.1),
            folder=folder,
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder))
