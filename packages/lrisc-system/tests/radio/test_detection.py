import pytest
import torch

from lrisc_system.radio.detection import SyncError, find_preamble
from lrisc_system.radio.framing import PREAMBLE_LENGTH, preamble
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.resampling import shift_frequency
from lrisc_system.radio.single_carrier import SingleCarrier


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def frame_of(count, seed=0):
    cells = torch.randn(count, dtype=torch.complex64, generator=seeded(seed))
    return SingleCarrier().modulate(cells)


@pytest.mark.parametrize("offset", [0.0, 0.02, -0.02, 0.1, -0.1])
def test_start_and_offset_by_hand(offset):
    """An offset of 0.02 moves the up chirp 2.5 symbols earlier and the down chirp 2.5 later."""
    recording = torch.zeros(600, dtype=torch.complex128)
    recording[100 : 100 + PREAMBLE_LENGTH] = shift_frequency(preamble(), offset)
    found = find_preamble(recording)
    assert found.start == pytest.approx(100, abs=0.5)
    assert found.carrier_offset == pytest.approx(offset, abs=0.009)
    assert found.correlation > 0.7


@pytest.mark.parametrize("delay", [0.0, 15_900.0, 16_384.0 - PREAMBLE_LENGTH // 2, 30_000.0])
def test_the_frame_is_found_across_the_blocks_of_a_long_recording(delay):
    recording = RadioLink(delay=delay).record(frame_of(50), 3.0, generator=seeded(2))
    assert find_preamble(recording).start == pytest.approx(delay, abs=0.5)


def test_the_first_of_two_frames_is_found_even_if_the_second_is_stronger():
    recording = torch.cat([frame_of(300), 10 * frame_of(300), torch.zeros(300)])
    recording = recording + 0.1 * torch.randn(
        recording.shape, dtype=torch.complex64, generator=seeded()
    )
    assert find_preamble(recording).start == pytest.approx(0, abs=0.5)
    second = len(frame_of(300))
    assert find_preamble(recording, first=10).start == pytest.approx(second, abs=0.5)


def test_no_false_alarm_in_noise_and_a_margin_to_the_threshold():
    """The strongest of 20 million samples was 0.09: benchmarks/synchronization.py --noise 20."""
    noise = torch.randn(200_000, dtype=torch.complex64, generator=seeded())
    with pytest.raises(SyncError, match="no frame found: expected a correlation"):
        find_preamble(noise)
    with pytest.raises(SyncError):
        find_preamble(noise, threshold=0.12)


@pytest.mark.parametrize("offset", [0.0, 0.0137])
def test_a_carrier_without_a_frame_is_none(offset):
    carrier = shift_frequency(torch.ones(20_000, dtype=torch.complex64), offset)
    with pytest.raises(SyncError, match="no frame found"):
        find_preamble(carrier)


def test_a_recording_that_is_too_short():
    with pytest.raises(SyncError, match="expected at least 250 samples, got 249"):
        find_preamble(preamble()[:-1])
    with pytest.raises(SyncError, match="expected at least 250 samples, got 0"):
        find_preamble(preamble(), first=10_000)
