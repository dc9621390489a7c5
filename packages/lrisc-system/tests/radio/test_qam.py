import itertools
import math

import pytest
import torch

from lrisc_system.radio.qam import Constellation, Modulation

MODULATIONS = list(Modulation)


def all_patterns(constellation):
    return torch.tensor(list(itertools.product([0, 1], repeat=constellation.bits_per_symbol)))


@pytest.mark.parametrize(
    ("modulation", "bits", "symbol"),
    # Source: IEEE Std 802.11, tables of the BPSK to 64-QAM encoding.
    [
        (Modulation.BPSK, [0], -1),
        (Modulation.BPSK, [1], 1),
        (Modulation.QPSK, [0, 1], (-1 + 1j) / math.sqrt(2)),
        (Modulation.QAM16, [0, 0, 0, 1], (-3 - 1j) / math.sqrt(10)),
        (Modulation.QAM16, [1, 1, 1, 0], (1 + 3j) / math.sqrt(10)),
        (Modulation.QAM64, [0, 0, 0, 0, 1, 1], (-7 - 3j) / math.sqrt(42)),
        (Modulation.QAM64, [1, 0, 1, 1, 0, 0], (5 + 7j) / math.sqrt(42)),
        (Modulation.QAM64, [0, 1, 0, 1, 1, 0], (-1 + 1j) / math.sqrt(42)),
    ],
)
def test_symbols_of_the_standard(modulation, bits, symbol):
    got = modulation.value.modulate(torch.tensor(bits))
    torch.testing.assert_close(got, torch.tensor([symbol], dtype=torch.complex64))


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_unit_mean_power_and_one_bit_between_neighbours(modulation):
    constellation = modulation.value
    patterns = all_patterns(constellation)
    points = constellation.modulate(patterns.flatten())
    assert math.isclose(points.abs().square().mean(), 1, rel_tol=1e-6)
    distance = (points[:, None] - points).abs()
    nearest = distance[distance > 1e-6].min()
    flips = (patterns[:, None] - patterns).abs().sum(dim=-1)
    assert (flips[(distance - nearest).abs() < 1e-4] == 1).all()


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_soft_bits_equal_brute_force_over_all_symbols(modulation):
    constellation = modulation.value
    generator = torch.Generator().manual_seed(0)
    received = torch.randn(50, dtype=torch.complex128, generator=generator)
    noise_power = torch.rand(50, dtype=torch.float64, generator=generator) + 0.05
    patterns = all_patterns(constellation).bool()  # (2^m, m)
    points = constellation.modulate(patterns.flatten()).to(torch.complex128)
    density = (-(received[:, None] - points).abs().square() / noise_power[:, None]).exp()
    zero, one = density @ (~patterns).double(), density @ patterns.double()  # (50, m)
    got = constellation.soft_bits(received, noise_power)
    torch.testing.assert_close(got, (zero / one).log().flatten(), rtol=1e-5, atol=1e-5)


def test_soft_bits_of_bpsk_by_hand():
    """exp(-(r + 1)^2 / s) over exp(-(r - 1)^2 / s) has the logarithm -4 r / s."""
    got = Modulation.BPSK.value.soft_bits(torch.tensor([0.3 + 9j, -2]), torch.tensor(0.5))
    torch.testing.assert_close(got, torch.tensor([-2.4, 16.0], dtype=torch.float64))


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_clean_symbols_give_their_bits_back(modulation):
    constellation = modulation.value
    bits = all_patterns(constellation).flatten()
    soft = constellation.soft_bits(constellation.modulate(bits), torch.tensor(1e-3))
    assert torch.equal((soft < 0).long(), bits)
    assert torch.isfinite(soft).all()


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"a multiple of 4, got \(6,\)"):
        Modulation.QAM16.value.modulate(torch.zeros(6))
    with pytest.raises(ValueError, match="1 or 2 axes, got 1 and 3"):
        Constellation("cube", bits_per_axis=1, axes=3)
