"""Recordings that GNU Radio 3.10 wrote; `examples/gnuradio/channel.py` is its flowgraph.

The files hold a frame of 3,000 cells behind 500 zeros at 20 dB, with a carrier offset of 0.02
cycles per sample, a clock off by 10 ppm, taps [1, 0.3j, 0.1], phase noise, IQ imbalance and DC.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from lrisc_system.radio.framing import zadoff_chu
from lrisc_system.radio.single_carrier import SingleCarrier

DATA = Path(__file__).parent / "data"
FLOWGRAPH = Path(__file__).parents[4] / "examples" / "gnuradio" / "channel.py"
PYTHON = "/usr/bin/python3"  # the one that Debian's GNU Radio belongs to
CELLS = zadoff_chu(3001, root=7)[:3000]


def has_gnuradio():
    if not Path(PYTHON).exists():
        return False
    return subprocess.run([PYTHON, "-c", "import gnuradio"], capture_output=True).returncode == 0


@pytest.mark.parametrize("oversampling", [1, 2])
def test_a_recording_by_gnuradio_is_received(oversampling):
    recording = torch.from_numpy(
        np.fromfile(DATA / f"gnuradio-{oversampling}.cf32", dtype=np.complex64)
    )
    reception = SingleCarrier(oversampling=oversampling).receive(recording)
    observation = reception.cells(0, 3000)
    error = (observation.symbols - CELLS).abs().square().mean()
    assert -10 * error.log10().item() > 18.8  # measured 19.3 and 19.1 dB
    assert reception.start == pytest.approx(497, abs=0.2)  # its interpolator is 3 samples early
    assert reception.carrier_offset == pytest.approx(0.02, abs=2e-5)


@pytest.mark.skipif(not has_gnuradio(), reason="needs GNU Radio: apt-get install gnuradio")
def test_a_frame_crosses_a_channel_of_gnuradio(tmp_path):
    sent, received = tmp_path / "sent.cf32", tmp_path / "received.cf32"
    samples = SingleCarrier().modulate(CELLS)
    torch.nn.functional.pad(samples, (0, 200)).numpy().tofile(sent)
    options = ("--noise-voltage", "0.1", "--frequency-offset", "-0.05", "--delay", "300")
    subprocess.run([PYTHON, str(FLOWGRAPH), str(sent), str(received), *options], check=True)
    reception = SingleCarrier().receive(torch.from_numpy(np.fromfile(received, np.complex64)))
    error = (reception.cells(0, 3000).symbols - CELLS).abs().square().mean()
    assert -10 * error.log10().item() == pytest.approx(20, abs=0.5)
    assert reception.carrier_offset == pytest.approx(-0.05, abs=5e-5)
