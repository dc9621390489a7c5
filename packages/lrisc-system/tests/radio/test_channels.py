import math

import pytest
import torch

from lrisc_system.radio.channels import (
    BlockFading,
    DelayProfile,
    TappedDelayLine,
    Taps,
    rayleigh_process,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(count, seed=0):
    return torch.randn(count, dtype=torch.complex64, generator=seeded(seed))


def test_taps_by_hand():
    samples = torch.tensor([1, 0, 0, 2], dtype=torch.complex64)
    received = Taps((3, 4j))(samples)  # of norm 5
    assert torch.allclose(received, torch.tensor([0.6, 0.8j, 0, 1.2]))
    with pytest.raises(ValueError, match="not all zero"):
        Taps((0, 0))


def test_block_fading_keeps_a_gain_for_a_block():
    gains = BlockFading(block=100)(torch.ones(250, dtype=torch.complex64), seeded())
    assert len(gains.real.unique()) == 3
    assert (gains[:100] == gains[0]).all()
    assert len(BlockFading()(torch.ones(250, dtype=torch.complex64), seeded()).real.unique()) == 1


@pytest.mark.parametrize("rice_factor", [0.0, 4.0])
def test_block_fading_has_unit_power_and_the_rice_factor(rice_factor):
    gains = BlockFading(block=1, rice_factor=rice_factor)(torch.ones(40_000) + 0j, seeded())
    power = gains.abs().square()
    assert power.mean().item() == pytest.approx(1, abs=0.03)
    # Var |h|^2 = (1 + 2 K) / (1 + K)^2.
    expected = (1 + 2 * rice_factor) / (1 + rice_factor) ** 2
    assert power.var().item() == pytest.approx(expected, rel=0.06)


def test_the_profiles_are_those_of_36_101():
    assert [len(profile.delays_s) for profile in DelayProfile] == [7, 9, 9]
    # TS 36.101, tables B.2.1-1: root mean square delay spreads of 43, 357 and 991 ns.
    for profile, spread_ns in zip(DelayProfile, (43, 357, 991), strict=True):
        powers, delays = torch.tensor(profile.powers), torch.tensor(profile.delays_s) * 1e9
        mean = (powers * delays).sum()
        spread = ((powers * delays.square()).sum() - mean**2).sqrt().item()
        assert sum(profile.powers) == pytest.approx(1)
        assert spread == pytest.approx(spread_ns, abs=1)


@pytest.mark.parametrize("profile", DelayProfile)
def test_a_delay_line_has_unit_power_in_the_mean(profile):
    powers = []
    for seed in range(100):
        channel = TappedDelayLine(profile, sample_rate_hz=1e6)
        samples = noise(400, seed)
        received = channel(samples, seeded(seed + 1000))
        assert received.shape == samples.shape
        powers.append((received.abs().square().mean() / samples.abs().square().mean()).item())
    assert sum(powers) / len(powers) == pytest.approx(1, abs=0.2)


def test_without_doppler_a_delay_line_stands_still():
    channel = TappedDelayLine(DelayProfile.ETU, sample_rate_hz=1e6)
    samples = noise(300)
    twice = channel(torch.cat([samples, torch.zeros(100), samples]), seeded())
    assert torch.allclose(twice[50:250], twice[450:650], atol=0.02)


def test_the_doppler_spectrum_is_that_of_jakes():
    """E h*(0) h(n) = J_0(2 pi f n); J_0(1) = 0.7652, J_0(2.4048) = 0."""
    products = []
    for seed in range(1000):
        gain = rayleigh_process(25, doppler=0.1 / (2 * math.pi), generator=seeded(seed))
        products.append(gain[0].conj() * gain[[0, 10, 24]])
    mean = torch.stack(products).mean(0)
    assert mean.real.tolist() == pytest.approx([1, 0.7652, 0.0025], abs=0.1)


def test_wrong_channels():
    with pytest.raises(ValueError, match="block of at least 1"):
        BlockFading(block=0)
    with pytest.raises(ValueError, match="Rice factor"):
        BlockFading(rice_factor=-1)
    with pytest.raises(ValueError, match="sample rate above 0 Hz"):
        TappedDelayLine(DelayProfile.EPA, sample_rate_hz=0)
    with pytest.raises(ValueError, match="Doppler shift"):
        TappedDelayLine(DelayProfile.EPA, sample_rate_hz=100, doppler_hz=60)
