import pytest
import torch

from jscc_ratetoken.channel import (
    AWGN,
    Noiseless,
    RayleighBlock,
    RayleighFast,
    mmse,
    noise_power,
    zero_forcing,
)

SNR_DB = torch.tensor([-5.0, 0.0, 10.0, 19.0])


class Probe:
    """An equaliser that leaves the signal and keeps what it was told."""

    def __call__(self, received, fading, noise_power):
        self.fading, self.noise_power = fading, noise_power
        return received


def unit_symbols(count=65536):
    return torch.polar(torch.ones(4, count), torch.rand(4, count) * 6.2832)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def measured_snr_db(signal, received):
    """Mean signal power over mean noise power, per sample, in dB."""
    noise = (received - signal).abs().square().mean(dim=1)
    return 10 * torch.log10(signal.abs().square().mean(dim=1) / noise)


def test_awgn_has_the_snr_of_each_sample():
    symbols = unit_symbols()
    received = AWGN()(symbols, SNR_DB, generator=generator())
    torch.testing.assert_close(measured_snr_db(symbols, received), SNR_DB, atol=0.1, rtol=0)
    noise = received - symbols  # circular: both axes alike and uncorrelated
    torch.testing.assert_close(
        noise.real.square().mean(1), noise.imag.square().mean(1), rtol=0.03, atol=0
    )
    assert torch.all((noise.real * noise.imag).mean(1).abs() < 0.02 * noise.abs().square().mean(1))


def test_fast_fading_has_the_mean_snr_of_each_sample():
    symbols, probe = unit_symbols(), Probe()
    received = RayleighFast(equalizer=probe)(symbols, SNR_DB, generator=generator())
    faded = probe.fading * symbols
    torch.testing.assert_close(measured_snr_db(faded, received), SNR_DB, atol=0.1, rtol=0)
    power = probe.fading.abs().square()
    torch.testing.assert_close(power.mean(dim=1), torch.ones(4), rtol=0.02, atol=0)
    # Rayleigh: P(|h|^2 < 1) = 1 - 1/e.
    assert abs(float((power < 1).float().mean()) - 0.6321) < 0.01


def test_block_fading_has_one_coefficient_and_the_noise_of_each_sample():
    symbols, probe = unit_symbols(), Probe()
    received = RayleighBlock(equalizer=probe)(symbols, SNR_DB, generator=generator())
    assert probe.fading.shape == (4, 1)
    noise = (received - probe.fading * symbols).abs().square().mean(dim=1)
    torch.testing.assert_close(-10 * torch.log10(noise), SNR_DB, atol=0.1, rtol=0)


def test_block_fading_has_unit_mean_power():
    probe = Probe()
    RayleighBlock(equalizer=probe)(
        torch.ones(50000, 1, dtype=torch.complex64), torch.zeros(50000), generator=generator()
    )
    assert abs(float(probe.fading.abs().square().mean()) - 1) < 0.02


def test_a_quiet_image_gets_no_less_noise():
    silent = torch.zeros(4, 65536, dtype=torch.complex64)
    received = AWGN()(silent, SNR_DB, generator=generator())
    noise_db = 10 * torch.log10(received.abs().square().mean(dim=1))
    torch.testing.assert_close(noise_db, -SNR_DB, atol=0.1, rtol=0)


def test_noise_power_by_hand():
    power = noise_power(torch.ones(3, 2, 5, dtype=torch.complex64), torch.tensor([0.0, 10.0, 20.0]))
    torch.testing.assert_close(power, torch.tensor([1.0, 0.1, 0.01]).view(3, 1, 1))


def test_equalisers_by_hand():
    # s = 2 through h = j arrives as 2j; with noise power 1: conj(h) r / (1 + 1) = 1.
    received, fading, power = torch.tensor([2j]), torch.tensor([1j]), torch.tensor([1.0])
    assert zero_forcing(received, fading, power).tolist() == [2]
    assert mmse(received, fading, power).tolist() == [1]


@pytest.mark.parametrize(
    "channel", [AWGN(), RayleighBlock(zero_forcing), RayleighFast(), Noiseless()]
)
def test_without_noise_the_symbols_come_back(channel):
    symbols = unit_symbols(100)
    received = channel(symbols, torch.full((4,), 130.0), generator=generator())
    torch.testing.assert_close(received, symbols, atol=1e-4, rtol=0)


def test_mmse_errs_less_than_zero_forcing():
    symbols, snr_db = unit_symbols(), torch.zeros(4)
    error = [
        (RayleighFast(equalizer)(symbols, snr_db, generator=generator()) - symbols).abs().square()
        for equalizer in (mmse, zero_forcing)
    ]
    assert error[0].mean() < error[1].mean()
    # Theory at 0 dB: E 1 / (1 + |h|^2) = e * E1(1) = 0.5963 (Abramowitz and Stegun, table 5.1).
    assert abs(float(error[0].mean()) - 0.5963) < 0.01


@pytest.mark.parametrize("channel", [AWGN(), RayleighBlock(), RayleighFast()])
def test_a_generator_repeats_the_noise_and_gradients_pass(channel):
    symbols = unit_symbols(10).requires_grad_()
    first = channel(symbols, SNR_DB, generator=generator(1))
    assert torch.equal(first, channel(symbols, SNR_DB, generator=generator(1)))
    assert not torch.equal(first, channel(symbols, SNR_DB, generator=generator(2)))
    first.abs().sum().backward()
    assert bool((symbols.grad != 0).all())


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"expected complex symbols, got torch.float32"):
        AWGN()(torch.ones(2, 3), torch.zeros(2))
    with pytest.raises(ValueError, match=r"expected snr_db \(2,\), got \(3,\)"):
        RayleighFast()(torch.ones(2, 3, dtype=torch.complex64), torch.zeros(3))
