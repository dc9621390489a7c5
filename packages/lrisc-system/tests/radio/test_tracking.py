import numpy as np
import pytest

from lrisc_system.radio.tracking import Groups, track_taps


def observed(taps, noise_power, *, rows=8, period=256, seed=0):
    """Groups of `rows` unit symbols that see taps (T, A) in noise."""
    random = np.random.default_rng(seed)

    def normal(*shape):
        return (random.standard_normal(shape) + 1j * random.standard_normal(shape)) / 2**0.5

    count, size = taps.shape
    X = np.exp(2j * np.pi * random.random((count, rows, size)))
    received = np.einsum("twa,ta->tw", X, taps) + noise_power**0.5 * normal(count, rows)
    weighted = X.conj() / noise_power
    return Groups(
        times=period * np.arange(count, dtype=float),
        information=np.einsum("twa,twb->tab", weighted, X),
        projection=np.einsum("twa,tw->ta", weighted, received),
    )


def test_a_channel_that_stands_still_is_averaged_over_all_groups():
    taps = np.full((100, 1), 2 - 1j)
    track = track_taps(observed(taps, 0.1), taps[0], np.abs(taps[0]) ** 2)
    # 800 symbols: an error of 0.1 / 800.
    assert np.abs(track.taps - taps).mean() ** 2 < 4 * 0.1 / 800
    assert track.covariance[0, 0, 0].real == pytest.approx(0.1 / 800, rel=0.5)


def test_a_phase_that_wanders_is_followed():
    phase = 0.003 * 16 * np.random.default_rng(1).standard_normal(200).cumsum()
    taps = np.exp(1j * phase)[:, None] * np.array([[1, 0.3j]])
    track = track_taps(observed(taps, 0.1), taps[0], np.abs(taps[0]) ** 2)
    error = (np.abs(track.taps - taps) ** 2).sum(1).mean()
    assert error < 0.2 * 0.1  # one group alone is off by 2 * 0.1 / 8
    assert error == pytest.approx(track.covariance.trace(axis1=1, axis2=2).real.mean(), rel=0.5)


def test_the_smoother_is_the_least_squares_solution():
    """Two groups, one tap, one known walk: solved by hand as two equations."""
    taps = np.array([[1.0], [1.2]], dtype=complex)
    groups = observed(taps, 0.1)
    track = track_taps(groups, np.ones(1, dtype=complex), np.ones(1))
    rate = track.walk[0, 0].real
    if rate == 0:
        pooled = groups.projection.sum() / (groups.information.sum() + 1 / 10.2)
        assert np.allclose(track.taps, pooled)
        return
    coupling = 1 / (256 * rate) * np.array([[1, -1], [-1, 1]])
    prior = np.diag([1 / 10.2, 0])
    normal = np.diag(groups.information[:, 0, 0]) + coupling + prior
    assert np.allclose(track.taps[:, 0], np.linalg.solve(normal, groups.projection[:, 0]))


def test_between_groups_on_a_line_and_behind_the_last_constant():
    taps = np.array([[1.0], [3.0]], dtype=complex)
    track = track_taps(observed(taps, 1e-6), np.full(1, 2 + 0j), np.full(1, 4.0))
    assert np.allclose(track.at(np.array([0.0, 128, 256, 999]))[:, 0], [1, 2, 3, 3], atol=0.01)
    errors = track.error_power(np.array([0.0, 128.0, 256.0, 512.0]))
    assert errors[1] > errors[0]  # the middle of a gap is less certain
    assert errors[3] > errors[2]  # and what lies behind the last group
