import math

import pytest
import torch

from lrisc_system.radio.resampling import (
    SymbolClock,
    fractional_delay,
    root_raised_cosine,
    shift_frequency,
)


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


def test_root_raised_cosine_by_hand():
    # The band edge at half a cycle per symbol holds half of the power, whatever the roll-off.
    edges = torch.tensor([0.0, 0.375, 0.5, 0.625, 0.9], dtype=torch.float64)
    response = root_raised_cosine(edges, rolloff=0.25)
    expected = torch.tensor([1, 1, 0.5**0.5, 0, 0], dtype=torch.float64)
    assert torch.allclose(response, expected, atol=1e-9)
    with pytest.raises(ValueError, match=r"roll-off in 0\.\.1, got 2"):
        root_raised_cosine(edges, rolloff=2)


def test_a_clock_samples_where_it_says():
    """A slow sine, sampled by a clock that drifts: cos at the clock's own positions."""
    n = torch.arange(20_000, dtype=torch.float64)
    sine = torch.polar(torch.ones_like(n), 0.02 * n)
    clock = SymbolClock(3000.3, 0.0, drift=2e-5)
    sampled = clock.sample(sine, 0, 14_000)
    k = torch.arange(14_000, dtype=torch.float64)
    expected = torch.polar(torch.ones_like(k), 0.02 * (3000.3 + k * (1 + 2e-5)))
    assert (sampled - expected)[2000:-2000].abs().max() < 1e-3
    assert clock.position(1000) == pytest.approx(3000.3 + 1000.02)


def test_a_clock_without_offsets_copies_and_has_silence_around():
    samples = torch.randn(500, dtype=torch.complex128)
    sampled = SymbolClock(10, 0.0).sample(samples, -20, 600)
    assert torch.allclose(sampled[10:510], samples)
    assert sampled[:10].abs().max() < 1e-9


def test_a_clock_undoes_the_carrier_offset_alike_in_all_segments():
    tone = shift_frequency(torch.ones(30_000, dtype=torch.complex128), 0.01)
    sampled = SymbolClock(2000, 0.01, drift=1e-9).sample(tone, 0, 20_000)
    assert torch.allclose(sampled, sampled[0].expand(20_000), atol=1e-2)


def test_moves_are_in_symbols():
    clock = SymbolClock(100, 0.0, oversampling=4).moved(delay=2, offset=0.1, drift=1e-6)
    assert (clock.start, clock.carrier_offset, clock.drift) == (108, 0.025, 1e-6)
    assert clock.position(10) == pytest.approx(148 + 40e-6)
