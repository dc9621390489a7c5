"""One SM module and the spreading of an SNR over a batch."""

import pytest
import torch

from snr_modulation import SNRModulation
from snr_modulation.modulation import spread_snr


def fill(module: torch.nn.Module, value: float) -> None:
    for parameter in module.parameters():
        torch.nn.init.constant_(parameter, value)


def test_factors_by_hand() -> None:
    # Width 2, all weights and biases 0.1, snr 4 dB:
    # 0.1*4 + 0.1 = 0.5; 2*0.1*0.5 + 0.1 = 0.2; 2*0.1*0.2 + 0.1 = 0.14; sigmoid(0.14) = 0.534943.
    modulation = SNRModulation(2)
    fill(modulation, 0.1)
    factors = modulation(torch.tensor([4.0]))
    torch.testing.assert_close(factors, torch.full((1, 2), 0.534943), atol=1e-6, rtol=0)


def test_both_relus_cut() -> None:
    # Same weights at -11 dB: 0.1*-11 + 0.1 = -1 -> 0; 0.1; 2*0.1*0.1 + 0.1 = 0.12.
    # Weights -0.1 at 0 dB: -0.1 -> 0; -0.1 -> 0; -0.1. Without a ReLU they would differ.
    modulation = SNRModulation(2)
    fill(modulation, 0.1)
    expected = torch.sigmoid(torch.full((1, 2), 0.12))
    torch.testing.assert_close(modulation(torch.tensor([-11.0])), expected)
    fill(modulation, -0.1)
    expected = torch.sigmoid(torch.full((1, 2), -0.1))
    torch.testing.assert_close(modulation(torch.tensor([0.0])), expected)


def test_zero_weights_give_one_half_at_any_snr() -> None:
    modulation = SNRModulation(3)
    fill(modulation, 0.0)
    assert torch.equal(modulation(torch.tensor([-20.0, 40.0])), torch.full((2, 3), 0.5))


def test_spread_of_a_number_a_scalar_and_a_vector() -> None:
    features = torch.zeros(3, 1, dtype=torch.float64)
    expected = torch.full((3,), 7.0, dtype=torch.float64)
    for snr_db in (7, 7.0, torch.tensor(7.0), torch.full((3,), 7.0)):
        spread = spread_snr(snr_db, features=features)
        torch.testing.assert_close(spread, expected, atol=0, rtol=0)


def test_errors() -> None:
    with pytest.raises(ValueError, match="width of at least 1, got 0"):
        SNRModulation(0)
    with pytest.raises(ValueError, match=r"expected snr_db \(B,\), got \(2, 1\)"):
        SNRModulation(4)(torch.zeros(2, 1))
    with pytest.raises(ValueError, match=r"expected snr_db \(\) or \(3,\), got \(2,\)"):
        spread_snr(torch.zeros(2), features=torch.zeros(3, 1))


def test_gradient_in_double_precision() -> None:
    torch.manual_seed(0)
    modulation = SNRModulation(3).double()
    snr_db = torch.tensor([-3.0, 8.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(modulation, (snr_db,))
