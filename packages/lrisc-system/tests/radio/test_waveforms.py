import math

import pytest
import torch

from lrisc_system.radio.waveforms import fractional_delay, shift_frequency


def test_a_quarter_cycle_per_sample_by_hand():
    turned = shift_frequency(torch.ones(5, dtype=torch.complex128), 0.25)
    assert torch.allclose(turned, torch.tensor([1, 1j, -1, -1j, 1], dtype=torch.complex128))


def test_a_delay_by_a_whole_sample_moves_it_and_by_a_half_interpolates():
    impulse = torch.zeros(101, dtype=torch.complex128)
    impulse[50] = 1
    assert torch.allclose(fractional_delay(impulse, 3.0), impulse.roll(3))
    # The band-limited pulse half a sample off its peak: sinc(1/2) = 2 / pi, on both sides.
    half = fractional_delay(impulse, 0.5).real
    assert half[50].item() == pytest.approx(2 / math.pi, abs=1e-3)
    assert half[51].item() == pytest.approx(2 / math.pi, abs=1e-3)
    assert torch.allclose(fractional_delay(fractional_delay(impulse, 0.3), -0.3), impulse)
