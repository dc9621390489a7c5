import pytest
import torch

from lrisc_system.radio.estimation import (
    GUARD,
    cut_frame,
    refine_start,
    residual_offset,
    track_gain,
)
from lrisc_system.radio.framing import PREAMBLE_LENGTH, build_frame, frame_layout, preamble
from lrisc_system.radio.waveforms import fractional_delay, shift_frequency


def test_a_cut_has_a_guard_at_either_end_and_silence_beyond_the_recording():
    recording = torch.arange(1, 11).to(torch.complex64)
    cut = cut_frame(recording, 2, 3)
    assert len(cut) == 3 + 2 * GUARD
    assert cut[GUARD : GUARD + 3].real.tolist() == [3, 4, 5]
    assert cut[GUARD - 2 :][:10].real.tolist() == list(range(1, 11))
    assert cut[: GUARD - 2].abs().sum() == 0


def test_delay_and_offset_are_refined():
    samples = torch.zeros(PREAMBLE_LENGTH + 2 * GUARD, dtype=torch.complex128)
    samples[GUARD:-GUARD] = preamble()
    moved = shift_frequency(fractional_delay(samples, 0.3), 4e-4)
    delay, offset = refine_start(moved, 5e-4)
    assert delay == pytest.approx(0.3, abs=0.01)
    assert offset == pytest.approx(4e-4, abs=1e-5)


def test_what_is_left_of_the_offset():
    layout = frame_layout(2000)
    frame = build_frame(torch.zeros(2000, dtype=torch.complex64)).to(torch.complex128)
    assert residual_offset(shift_frequency(frame, 2e-5), layout) == pytest.approx(2e-5, abs=1e-7)
    assert residual_offset(frame, layout) == pytest.approx(0, abs=1e-7)


def test_the_gain_is_that_of_the_known_samples_around():
    layout = frame_layout(4000)
    frame = build_frame(torch.zeros(4000, dtype=torch.complex64)).to(torch.complex128)
    gain, count = track_gain(2j * frame, layout)
    assert torch.allclose(gain, torch.full_like(gain, 2j))
    # The first window ends at sample 512: behind the preamble it holds 262 = 8 * 32 + 6 samples.
    assert count[0] == PREAMBLE_LENGTH + 8
