import pytest
import torch

from lrisc_system.radio.detection import SyncError, find_preamble
from lrisc_system.radio.framing import PREAMBLE_LENGTH, build_frame, preamble
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.waveforms import shift_frequency


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def symbols_of(count, seed=0):
    return torch.randn(count, dtype=torch.complex64, generator=seeded(seed))


def test_start_and_offset_by_hand():
    """Two half cycles per preamble off, after 100 samples of silence."""
    offset = 2 / (2 * PREAMBLE_LENGTH)
    recording = torch.zeros(600, dtype=torch.complex128)
    recording[100 : 100 + PREAMBLE_LENGTH] = shift_frequency(preamble(), offset)
    start, found = find_preamble(recording)
    assert start == 100
    assert found == pytest.approx(offset)


def test_the_frame_is_found_across_the_blocks_of_a_long_recording():
    for delay in (3840.0, 4096.0 - PREAMBLE_LENGTH // 2, 30_000.0):
        recording = RadioLink(delay=delay).record(
            build_frame(symbols_of(50)), 5.0, generator=seeded(2)
        )
        assert find_preamble(recording)[0] == delay


def test_a_recording_that_is_too_short():
    with pytest.raises(SyncError, match="expected at least 251 samples, got 250"):
        find_preamble(preamble()[:-1])
