import numpy as np
import pytest
import torch

from lrisc_system.radio.channels import Taps
from lrisc_system.radio.estimation import (
    Paths,
    fit_paths,
    refine_clock,
    residual_delay,
    residual_offset,
    track_gain,
)
from lrisc_system.radio.framing import FrameLayout
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.known_symbols import MARGIN, KnownSymbols
from lrisc_system.radio.resampling import SymbolClock

LAYOUT = FrameLayout()


def received(link, *, cells=3000, snr_db=15.0, start=500, seed=0):
    """Known symbols, and the samples of a frame behind a link, sampled without correction."""
    generator = torch.Generator().manual_seed(seed)
    frame = LAYOUT.build(torch.randn(cells, dtype=torch.complex64, generator=generator))
    recording = link.record(frame, snr_db, generator=generator)
    samples = SymbolClock(start, 0.0).sample(recording, -MARGIN, len(frame) + 2 * MARGIN)
    return KnownSymbols.of(LAYOUT, cells), samples.numpy().astype(complex), recording


def test_start_and_offset_are_refined_to_the_noise():
    link = RadioLink(delay=500.3, carrier_offset=0.0423)
    _, _, recording = received(link)
    clock = refine_clock(recording, SymbolClock(500.75, 0.044))
    assert clock.start == pytest.approx(500.3, abs=0.02)  # Cramer-Rao bound: 0.004
    assert clock.carrier_offset == pytest.approx(0.0423, abs=5e-5)


def test_one_path_is_found_where_there_is_one():
    known, samples, _ = received(RadioLink(delay=500, gain=0.5), snr_db=10.0)
    paths = fit_paths(known, samples, np.ones(len(known.times)))
    assert paths.delays.tolist() == [0]
    assert abs(paths.taps[0]) == pytest.approx(0.5, rel=0.05)
    assert paths.snr_db == pytest.approx(10, abs=0.7)


def test_three_paths_are_found_where_there_are_three():
    known, samples, _ = received(RadioLink(delay=500, channel=Taps((1, 0.3j, 0.1))), snr_db=20.0)
    paths = fit_paths(known, samples, np.ones(len(known.times)))
    assert paths.delays.tolist() == [0, 1, 2]
    assert np.allclose(paths.taps / paths.taps[0], [1, 0.3j, 0.1], atol=0.02)
    assert paths.snr_db == pytest.approx(20, abs=0.7)


def test_a_path_that_is_to_be_kept_is_kept():
    known, samples, _ = received(RadioLink(delay=500))
    assert 5 in fit_paths(known, samples, np.ones(len(known.times)), keep=[5]).delays


def test_what_is_left_of_the_carrier_offset():
    known, samples, _ = received(RadioLink(delay=500))
    paths = fit_paths(known, samples, np.ones(len(known.times)))
    turned = samples * np.exp(2j * np.pi * 2e-5 * np.arange(len(samples)))
    assert residual_offset(known, turned, paths, reach=1e-4) == pytest.approx(2e-5, abs=1e-6)
    assert residual_offset(known, samples, paths, reach=1e-4) == pytest.approx(0, abs=1e-6)


def test_what_is_left_of_delay_and_drift():
    known, samples, _ = received(RadioLink(delay=500.05, clock_offset=2e-5), snr_db=30.0)
    paths = Paths(np.zeros(1, dtype=int), np.ones(1, dtype=complex), 1e-3)
    gains = np.ones(len(known.times))
    delay, drift = residual_delay(known, samples, paths, gains)
    # On the receiver's slower clock the frame is shorter.
    assert delay == pytest.approx(0.05, abs=0.02)
    assert drift == pytest.approx(-2e-5, abs=6e-6)


def test_no_drift_is_made_of_noise():
    drifts = []
    for seed in range(4):
        known, samples, _ = received(RadioLink(delay=500), cells=1000, snr_db=1.0, seed=seed)
        paths = fit_paths(known, samples, np.ones(len(known.times)))
        gains = track_gain(known, samples, paths)
        drifts.append(residual_delay(known, samples, paths, gains)[1])
    assert max(map(abs, drifts)) < 4e-5  # the prior's standard deviation is half of it
