import math

import pytest
import torch

from lrisc_system.radio.channels import Taps
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.single_carrier import SingleCarrier


@pytest.fixture
def frame():
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(5000, dtype=torch.complex64, generator=generator)
    return SingleCarrier().modulate(cells)


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


def test_a_clock_offset_moves_later_samples_earlier():
    tone = torch.polar(torch.ones(20_000), 0.1 * torch.arange(20_000)).to(torch.complex64)
    recording = RadioLink(clock_offset=1e-4, delay=5, tail=0).record(tone, 60.0)
    ratio = recording[5:] / tone  # one sample in 10,000: 0.1 radians
    assert ratio[10_000].angle().item() == pytest.approx(0.1, abs=0.02)
    assert ratio[15_000].angle().item() == pytest.approx(0.15, abs=0.02)


def test_iq_imbalance_and_offset_by_hand(frame):
    recording = RadioLink(iq_gain=0.05, dc=0.1j).record(frame, 60.0)[: len(frame)]
    # I is 1.05 times itself, Q stays.
    assert torch.allclose(recording.real, 1.05 * frame.real, atol=0.02)
    assert torch.allclose(recording.imag, frame.imag + 0.1, atol=0.02)


def test_channel_and_amplifier_come_before_the_noise(frame):
    link = RadioLink(channel=Taps((1, 1)), max_papr_db=0.0, tail=0)
    recording = link.record(frame, 60.0)
    limit = frame.abs().square().mean().sqrt()
    clipped = frame * (limit / frame.abs()).clamp(max=1)
    expected = (clipped[1:] + clipped[:-1]) / 2**0.5
    assert torch.allclose(recording[1:], expected, atol=0.02)


def test_the_power_that_the_snr_refers_to_may_be_told(frame):
    noise = RadioLink(tail=20_000).record(frame, 10.0, power=4.0)[len(frame) + 500 :]
    assert noise.abs().square().mean().item() == pytest.approx(0.4, rel=0.1)


@pytest.mark.parametrize(
    "wrong", [{"gain": 0.0}, {"delay": -1.0}, {"tail": -1}, {"clock_offset": 0.1}]
)
def test_wrong_links(wrong):
    with pytest.raises(ValueError, match="expected"):
        RadioLink(**wrong)
