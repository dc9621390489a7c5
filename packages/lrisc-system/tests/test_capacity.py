import math

import pytest
import torch

from lrisc_system.capacity import (
    awgn_capacities,
    awgn_capacity,
    rayleigh_capacity,
    uses_at_capacity,
)


def test_awgn_capacity_by_hand():
    assert math.isclose(awgn_capacity(0.0), 1.0)  # log2(1 + 1)
    assert math.isclose(awgn_capacity(10.0), math.log2(11))
    assert math.isclose(awgn_capacity(10 * math.log10(3)), 2.0)
    assert math.isclose(awgn_capacity(-80.0), 1e-8 / math.log(2), rel_tol=1e-6)


def test_capacities_of_a_batch_are_those_of_its_numbers():
    snr_db = torch.tensor([-20.0, 0.0, 10.0, 40.0])
    expected = torch.tensor([awgn_capacity(x) for x in snr_db.tolist()])
    torch.testing.assert_close(awgn_capacities(snr_db), expected, rtol=1e-5, atol=0)


def test_uses_at_capacity_by_hand():
    assert uses_at_capacity(8, snr_db=0.0) == 8  # one bit a use
    assert uses_at_capacity(8, snr_db=10.0) == 3  # 8 / 3.459 = 2.31
    assert uses_at_capacity(0, snr_db=10.0) == 0


def test_rayleigh_capacity_by_hand():
    # e * E1(1) / ln 2 with E1(1) = 0.219384 (Abramowitz and Stegun, table 5.1).
    assert math.isclose(rayleigh_capacity(0.0), math.e * 0.219384 / math.log(2), rel_tol=1e-5)
    # Weak signals: log2(1 + x) is straight, so fading takes nothing.
    assert math.isclose(rayleigh_capacity(-50.0), awgn_capacity(-50.0), rel_tol=1e-4)
    # Strong ones lose E ln(abs(h)^2) = -0.5772, Euler's constant.
    lost = awgn_capacity(60.0) - rayleigh_capacity(60.0)
    assert math.isclose(lost, 0.577216 / math.log(2), rel_tol=1e-3)


def test_rayleigh_capacity_is_the_mean_over_fading():
    power = torch.empty(200_000).exponential_(generator=torch.Generator().manual_seed(0))
    assert abs(torch.log2(1 + 10 * power).mean() - rayleigh_capacity(10.0)) < 0.01


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"expected snr_db in -100..100, got nan"):
        awgn_capacity(math.nan)
