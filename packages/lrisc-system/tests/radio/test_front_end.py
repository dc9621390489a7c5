import math

import pytest
import torch

from lrisc_system.radio import single_carrier
from lrisc_system.radio.front_end import FrontEnd
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.single_carrier import SingleCarrier


def measured(monkeypatch, link, snr_db=20.0):
    """What the receiver measured, and its loss in dB."""
    found = []
    original = single_carrier.measure_front_end

    def spy(*arguments):
        found.append(original(*arguments))
        return found[-1]

    monkeypatch.setattr(single_carrier, "measure_front_end", spy)
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(8000, dtype=torch.complex64, generator=generator)
    recording = link.record(SingleCarrier().modulate(cells), snr_db, generator=generator)
    received = SingleCarrier().receive(recording).cells(0, len(cells)).symbols
    error = float((received - cells).abs().square().mean())
    return found[0], 10 * math.log10(error) + snr_db


def test_undo_by_hand():
    signal = torch.tensor([1 + 1j, 2 - 1j])
    recording = signal + 0.1j * signal.conj() + 0.5
    clean = FrontEnd(image=0.1j, dc=0.5).undo(recording)
    assert torch.allclose(clean, (1 - 0.01) * signal)
    assert torch.equal(FrontEnd().undo(recording), recording)


def test_nothing_is_measured_where_there_is_nothing(monkeypatch):
    found, loss_db = measured(monkeypatch, RadioLink(delay=100))
    assert found == FrontEnd()
    assert loss_db < 0.1


@pytest.mark.parametrize("offset", [0.0, 0.02])
def test_image_and_offset_are_measured_and_undone(monkeypatch, offset):
    link = RadioLink(delay=100, carrier_offset=offset, iq_gain=0.2, dc=0.1j)
    found, loss_db = measured(monkeypatch, link)
    assert abs(found.image - 0.2 / 2.2) < 0.02  # I is 1.2 times Q: (1.2 - 1) / (1.2 + 1)
    assert abs(found.dc - 0.1j) < 0.02
    assert loss_db < 0.2
