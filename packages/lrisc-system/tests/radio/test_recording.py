from dataclasses import replace

import pytest
import torch

from lrisc_system.radio.frame import Frame
from lrisc_system.radio.recording import GAP, Recording, record_frames
from lrisc_system.radio.samples import MemorySamples


def read(recording):
    return recording.samples.read(0, len(recording.samples))


def test_frames_follow_one_another_at_nine_tenths_of_full_scale(packet):
    first = Frame.from_packet(packet, 10.0)
    second = Frame.from_packet(replace(packet, symbols=packet.symbols[:300]), 10.0, frame_number=1)
    recording = record_frames([first, second], sample_rate_hz=2e6)
    a, b = recording.annotations
    assert (a.start, a.count) == (0, first.channel_uses)
    assert (b.start, b.count) == (first.channel_uses + GAP, second.channel_uses)
    assert b.label == "LRISC frame number 1, 64 x 48, oversampling 1"
    samples = read(recording)
    assert len(samples) == b.start + b.count
    for part in (a, b):
        inside = samples[part.start : part.start + part.count]
        assert torch.view_as_real(inside).abs().max() == pytest.approx(0.9)
    assert not samples[a.count : b.start].any()


def test_a_frame_is_appended(packet):
    frame = Frame.from_packet(packet, 10.0)
    together = record_frames([frame, frame])
    one_by_one = record_frames([frame], after=record_frames([frame]))
    assert torch.equal(read(together), read(one_by_one))
    assert together.annotations == one_by_one.annotations
    with pytest.raises(ValueError, match=r"1e\+06 and 0 Hz, got 2e\+06 and 0 Hz"):
        record_frames([frame], sample_rate_hz=2e6, after=together)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sample_rate_hz": 0.0}, "sample rate"),
        ({"sample_rate_hz": float("nan")}, "sample rate"),
        ({"center_frequency_hz": float("inf")}, "frequency"),
    ],
)
def test_wrong_recordings(wrong, message):
    right = {
        "samples": MemorySamples(torch.zeros(5, dtype=torch.complex64)),
        "sample_rate_hz": 1e6,
        "center_frequency_hz": 0.0,
    }
    with pytest.raises(ValueError, match=message):
        Recording(**{**right, **wrong})
