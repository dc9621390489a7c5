from dataclasses import replace

import pytest
import torch

from lrisc_system.radio import receiver as receiver_module
from lrisc_system.radio.frame import Frame
from lrisc_system.radio.framing import preamble
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.received_frame import FrameLostError
from lrisc_system.radio.receiver import find_frames
from lrisc_system.radio.recording import record_frames
from lrisc_system.radio.samples import MemorySamples


def noise(count, seed=0, power=1e-3):
    generator = torch.Generator().manual_seed(seed)
    return power**0.5 * torch.randn(count, dtype=torch.complex64, generator=generator)


def sent(packet, count=2):
    """A recording of frames that differ in length, without noise."""
    frames = [
        Frame.from_packet(
            replace(packet, symbols=packet.symbols[: 1000 - 300 * number]),
            10.0,
            frame_number=number,
        )
        for number in range(count)
    ]
    recording = record_frames(frames)
    return recording.samples.read(0, len(recording.samples)), recording.annotations


def on_the_air(samples, snr_db=15.0, **link):
    generator = torch.Generator().manual_seed(0)
    return MemorySamples(RadioLink(**link).record(samples, snr_db, generator=generator))


def test_all_frames_are_found_between_noise(packet):
    samples, annotations = sent(packet, 3)
    recording = on_the_air(samples, gain=0.02, carrier_offset=3e-4, delay=5000.4, tail=3000)
    found = list(find_frames(recording))
    assert [frame.header.frame_number for frame in found] == [0, 1, 2]
    for frame, annotation in zip(found, annotations, strict=True):
        assert frame.start == pytest.approx(5000.4 + annotation.start, abs=0.1)
        assert frame.length == annotation.count
        assert frame.problem is None
        assert frame.packet().z_stream == packet.z_stream


def test_pieces_give_the_same_frames(packet, monkeypatch):
    """Wherever a piece ends: in a preamble, a header, a frame or in noise."""
    samples, _ = sent(packet, 3)
    recording = on_the_air(samples, delay=900.0)
    whole = [frame.start for frame in find_frames(recording)]
    assert len(whole) == 3
    monkeypatch.setattr(receiver_module, "LONGEST_HEADER", 1100)
    for size in (2300, 3700):
        monkeypatch.setattr(receiver_module, "PIECE", size)
        starts = [frame.start for frame in find_frames(recording)]
        assert starts == pytest.approx(whole, abs=0.01)


@pytest.mark.parametrize("count", [0, 10, 251, 5000])
def test_nothing_is_found_in_noise(count):
    assert list(find_frames(MemorySamples(noise(count)))) == []


def test_a_preamble_without_a_header_is_passed_over(packet):
    samples, _ = sent(packet, 1)
    lone = torch.cat([preamble().to(torch.complex64), noise(2000, power=0.3)])
    recording = MemorySamples(torch.cat([lone, samples]) + noise(2250 + len(samples), 1))
    (found,) = find_frames(recording)
    assert found.start == pytest.approx(2250, abs=0.1)


def one_problem(samples):
    (found,) = find_frames(MemorySamples(samples))
    with pytest.raises(FrameLostError) as caught:
        found.packet()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_cut_frame_is_lost(packet):
    samples, _ = sent(packet, 1)
    assert one_problem(samples[:-100]) == (
        "frame number 0 is cut: the recording ends 100 samples before it does"
    )


def test_a_clipped_frame_is_lost(packet):
    samples, _ = sent(packet, 1)
    noisy = torch.view_as_real(samples + noise(len(samples)))
    assert "is clipped" in one_problem(torch.view_as_complex(noisy.clamp(-0.4, 0.4)))


def test_an_overlapped_frame_is_lost(packet):
    samples, _ = sent(packet, 1)
    both = torch.cat([samples, torch.zeros(900)])
    both[900:] += samples
    assert "overlaps another frame, which begins 900 samples after it" in one_problem(both)


def test_a_recording_of_twice_the_rate_holds_no_frame(packet):
    samples, _ = sent(packet, 1)
    assert list(find_frames(MemorySamples(samples.repeat_interleave(2)))) == []
    assert list(find_frames(MemorySamples(samples[::2].contiguous()))) == []


def test_samples_that_are_not_finite(packet):
    samples, _ = sent(packet, 1)
    samples[50] = torch.inf
    with pytest.raises(ValueError, match="finite"):
        list(find_frames(MemorySamples(samples)))
