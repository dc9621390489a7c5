import math

import pytest
import torch

from lrisc_system.radio.framing import build_frame
from lrisc_system.radio.impairments import RadioLink


@pytest.fixture
def frame():
    generator = torch.Generator().manual_seed(0)
    return build_frame(torch.randn(5000, dtype=torch.complex64, generator=generator))


def test_without_anything_it_passes_the_frame_on(frame):
    recording = RadioLink(delay=10, tail=20).record(frame, 40.0)
    assert recording.shape == (10 + len(frame) + 20,)
    assert (recording[10:-20] - frame).abs().square().mean().item() == pytest.approx(1e-4, rel=0.1)


def test_gain_phase_and_offset_by_hand(frame):
    link = RadioLink(gain=3.0, phase=math.pi / 2, carrier_offset=0.25)
    ratio = (link.record(frame, 40.0)[:4] / frame[:4]).abs()
    assert torch.allclose(ratio, torch.full((4,), 3.0), atol=0.2)
    recording = link.record(frame, 40.0)[:4]
    # A quarter turn to begin with, then a quarter a sample.
    expected = 3 * frame[:4] * torch.tensor([1j, -1, -1j, 1])
    assert torch.allclose(recording, expected, atol=0.3)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_the_snr_refers_to_the_preamble_whatever_the_scale(frame, scale):
    link = RadioLink(gain=0.5, tail=20_000)
    noise = link.record(scale * frame, 10.0, generator=torch.Generator().manual_seed(1))
    power = noise[len(frame) + 500 :].abs().square().mean().item()
    assert 10 * math.log10((0.5 * scale) ** 2 / power) == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize("wrong", [{"gain": 0.0}, {"delay": -1.0}, {"tail": -1}])
def test_wrong_links(wrong):
    with pytest.raises(ValueError, match="expected"):
        RadioLink(**wrong)
