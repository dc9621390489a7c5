import pytest
import torch

from lrisc_system.radio.detection import SyncError
from lrisc_system.radio.framing import frame_layout
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.single_carrier import SingleCarrier

CARRIER = SingleCarrier()


def cells(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dtype=torch.complex64, generator=generator)


@pytest.mark.parametrize(("first", "count"), [(0, 31), (0, 40), (62, 100), (100, 300), (0, 400)])
def test_a_part_of_the_cells_comes_back(first, count):
    """Without knowing where the frame ends."""
    sent = cells(400)
    assert CARRIER.length(400) == len(CARRIER.modulate(sent)) == frame_layout(400).length
    link = RadioLink(gain=0.3, phase=1.0, carrier_offset=2e-4, delay=50.4)
    generator = torch.Generator().manual_seed(0)
    recording = link.record(CARRIER.modulate(sent), 20.0, generator=generator)
    reception = CARRIER.receive(recording)
    assert reception.start == pytest.approx(50.4, abs=0.05)
    assert reception.gain == pytest.approx(0.3, abs=0.03)
    seen = reception.cells(first, count)
    error = (seen.symbols - sent[first : first + count]).abs().square().mean()
    assert error == pytest.approx(0.01, rel=0.6)
    assert seen.noise_power.mean() == pytest.approx(0.01, rel=0.6)


def test_the_first_frame_from_a_sample_on_is_found():
    """Not the strongest."""
    recording = torch.cat(
        [0.1 * CARRIER.modulate(cells(100)), torch.zeros(500), CARRIER.modulate(cells(100, 1))]
    )
    length = CARRIER.length(100)
    assert CARRIER.receive(recording).start == pytest.approx(0, abs=0.01)
    assert CARRIER.receive(recording, first=251).start == pytest.approx(length + 500, abs=0.01)
    with pytest.raises(SyncError):
        CARRIER.receive(recording, first=length + 751)


def test_a_frame_that_is_cut():
    samples = CARRIER.modulate(cells(400))
    reception = CARRIER.receive(samples[:500])
    with pytest.raises(SyncError, match=r"the recording ends \d+ samples before"):
        reception.cells(0, 400)
