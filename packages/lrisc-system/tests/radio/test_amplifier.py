import pytest
import torch

from lrisc_system.radio.amplifier import clip_peaks, papr_db


def test_papr_by_hand():
    assert papr_db(torch.ones(5, dtype=torch.complex64)) == 0
    assert papr_db(torch.tensor([2, 0, 0, 0], dtype=torch.complex64)) == pytest.approx(6.0206)


def test_peaks_are_clipped_in_amplitude_only():
    samples = torch.randn(10_000, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    clipped = clip_peaks(samples, max_papr_db=3.0)
    power = samples.abs().square().mean()
    assert clipped.abs().square().max().item() == pytest.approx(power.item() * 10**0.3, rel=1e-4)
    assert torch.allclose(clipped.angle(), samples.angle(), atol=1e-4)
    below = samples.abs().square() < 1.9 * power
    assert torch.allclose(clipped[below], samples[below])


def test_nothing_is_clipped_below_the_limit():
    samples = torch.randn(100, dtype=torch.complex64)
    assert torch.allclose(clip_peaks(samples, max_papr_db=60.0), samples)


def test_wrong_input():
    with pytest.raises(ValueError, match="not all zero"):
        papr_db(torch.zeros(3, dtype=torch.complex64))
    with pytest.raises(ValueError, match="at least 0 dB"):
        clip_peaks(torch.ones(3) + 0j, max_papr_db=-1)
