import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from jscc_ratetoken import AWGN, Noiseless, RayleighBlock, RayleighFast, mmse
from lrisc_system.radio.soft_channel import observe

CHANNELS = [AWGN(), RayleighBlock(), RayleighFast()]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def unit_symbols(count=100_000):
    return torch.polar(torch.ones(count), torch.rand(count, generator=generator(9)) * 6.2832)


@pytest.mark.parametrize("channel", CHANNELS)
def test_noise_has_the_power_that_the_receiver_is_told(channel):
    symbols = unit_symbols()
    seen = observe(channel, symbols, 3.0, generator=generator())
    noise = (seen.symbols - symbols) / seen.noise_power.sqrt()
    assert math.isclose(noise.real.square().mean(), 0.5, rel_tol=0.02)
    assert math.isclose(noise.imag.square().mean(), 0.5, rel_tol=0.02)


def test_noise_power_by_hand():
    seen = observe(AWGN(), unit_symbols(4), 10.0)
    torch.testing.assert_close(seen.noise_power, torch.full((4,), 0.1))


def test_fading_is_one_for_all_or_one_for_each():
    symbols = unit_symbols(1000)
    block = observe(RayleighBlock(), symbols, 10.0, generator=generator())
    fast = observe(RayleighFast(), symbols, 10.0, generator=generator())
    assert len(block.noise_power.unique()) == 1
    assert len(fast.noise_power.unique()) > 990
    # abs(h)^2 = 0.1 / noise power is exponential: median ln 2.
    assert abs((0.1 / fast.noise_power).median() - math.log(2)) < 0.08


def test_a_channel_of_the_user_counts_as_gaussian():
    symbols = unit_symbols(4)
    seen = observe(Noiseless(), symbols, 0.0)
    assert torch.equal(seen.symbols, symbols)
    torch.testing.assert_close(seen.noise_power, torch.ones(4))


@dataclass(frozen=True)
class Halving:
    """A channel of the user with one gain, 1/2, for everything."""

    equalizer: Callable = mmse

    def __call__(self, symbols, snr_db, *, generator=None):
        return self.equalizer(symbols / 2, torch.full((1, 1), 0.5), torch.full((1, 1), 0.1))


def test_a_fading_channel_of_the_user_is_asked_for_its_fading():
    symbols = unit_symbols(4)
    seen = observe(Halving(), symbols, 10.0)
    torch.testing.assert_close(seen.symbols, symbols)
    torch.testing.assert_close(seen.noise_power, torch.full((4,), 0.1 / 0.5**2))


def test_the_channel_keeps_its_own_equaliser():
    channel = RayleighFast()
    observe(channel, unit_symbols(4), 0.0)
    assert channel.equalizer is mmse
