import math

import pytest
import torch

from lrisc_system.radio.detection import SyncError
from lrisc_system.radio.framing import build_frame
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.synchronization import receive_frame
from lrisc_system.radio.waveforms import shift_frequency


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def symbols_of(count, seed=0):
    return torch.randn(count, dtype=torch.complex64, generator=seeded(seed))


def loss_db(received, sent, snr_db):
    """How much larger the error is than the noise that the link added."""
    error = (received - sent).abs().square().mean().item()
    return 10 * math.log10(error) + snr_db


@pytest.mark.parametrize("count", [0, 1, 31, 2000])
def test_a_clean_frame_comes_back(count):
    sent = symbols_of(count)
    frame = receive_frame(build_frame(sent), symbols=count)
    assert frame.symbols.shape == (count,)
    assert frame.start == pytest.approx(0, abs=0.01)
    assert frame.gain == pytest.approx(1, abs=0.01)
    assert frame.snr_db > 35
    assert torch.allclose(frame.symbols, sent, atol=0.1)


@pytest.mark.parametrize("delay", [0.0, 700.0, 1234.5, 4000.27])
@pytest.mark.parametrize("offset_hz", [-800.0, 350.0])
def test_the_links_numbers_are_found(delay, offset_hz):
    link = RadioLink(gain=0.01, phase=2.0, carrier_offset=offset_hz / 1e6, delay=delay)
    sent = symbols_of(3000)
    recording = link.record(build_frame(sent), 15.0, generator=seeded(3))
    frame = receive_frame(recording, symbols=3000)
    # The Cramer-Rao bounds at 15 dB: 0.004 samples from the preamble, 0.2 Hz from the frame.
    assert frame.start == pytest.approx(delay, abs=0.02)
    assert frame.carrier_offset * 1e6 == pytest.approx(offset_hz, abs=3)
    assert frame.gain == pytest.approx(0.01, rel=0.03)
    assert frame.snr_db == pytest.approx(15, abs=1)
    assert loss_db(frame.symbols, sent, 15.0) < 1


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_little_is_lost_in_the_mean(snr_db):
    losses = []
    for seed in range(8):
        sent = symbols_of(4000, seed)
        draw = torch.rand(4, generator=seeded(seed)).tolist()
        link = RadioLink(
            gain=10 ** (4 * draw[0] - 3),
            phase=6.28 * draw[1],
            carrier_offset=(draw[2] - 0.5) * 2e-3,
            delay=2000 * draw[3],
        )
        recording = link.record(build_frame(sent), snr_db, generator=seeded(seed))
        losses.append(loss_db(receive_frame(recording, symbols=4000).symbols, sent, snr_db))
    assert sum(losses) / len(losses) < 0.6  # 1 dB of symbol error is less than 1 dB of PSNR


def test_no_offset_is_mistaken_for_a_delay():
    """At 0 dB and up to 4.5 kHz at 1 MS/s; a preamble of root 1 is off by two samples here."""
    for seed in range(20):
        draw = torch.rand(2, generator=seeded(seed)).tolist()
        link = RadioLink(carrier_offset=(draw[0] - 0.5) * 9e-3, delay=100 + 1000 * draw[1])
        recording = link.record(build_frame(symbols_of(500)), 0.0, generator=seeded(seed))
        frame = receive_frame(recording, symbols=500)
        assert frame.start == pytest.approx(link.delay, abs=0.15)
        assert frame.carrier_offset == pytest.approx(link.carrier_offset, abs=4e-4)


def test_the_snr_is_measured_without_bias():
    estimates = []
    for seed in range(8):
        recording = RadioLink(delay=50.0).record(
            build_frame(symbols_of(30_000)), 10.0, generator=seeded(seed)
        )
        estimates.append(receive_frame(recording, symbols=30_000).snr_db)
    assert sum(estimates) / 8 == pytest.approx(10, abs=0.1)


def test_the_carrier_is_followed_when_it_wanders():
    """A random walk of 2 radians over the frame: no single phase fits it."""
    link = RadioLink(carrier_offset=4e-4, phase_noise=0.02)
    sent = symbols_of(10_000)
    framed = build_frame(sent)
    recording = link.record(framed, 20.0, generator=seeded(1))
    frame = receive_frame(recording, symbols=10_000)
    still = shift_frequency(recording[: len(framed)], -frame.carrier_offset)
    best = (still * framed.conj()).mean() / framed.abs().square().mean()  # one gain for all
    untracked = loss_db(still / best, framed, 20.0)
    assert loss_db(frame.symbols, sent, 20.0) < untracked - 6


def test_noise_alone_is_no_frame():
    noise = torch.randn(100_000, dtype=torch.complex64, generator=seeded())
    with pytest.raises(SyncError, match=r"no preamble found: expected .* at least 0.3"):
        receive_frame(noise, symbols=10)


def test_silence_is_no_frame():
    with pytest.raises(SyncError, match="no preamble found"):
        receive_frame(torch.zeros(1000, dtype=torch.complex64), symbols=10)


def test_a_frame_that_is_cut_off():
    frame = build_frame(symbols_of(500))
    with pytest.raises(SyncError, match="ends 7 samples before the frame"):
        receive_frame(frame[:-7], symbols=500)


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (torch.zeros(100, dtype=torch.complex64), "at least 251 samples, got 100"),
        (torch.zeros(0, dtype=torch.complex64), "at least 1 samples, got 0"),
        (torch.zeros(300), "complex samples"),
        (torch.zeros(2, 300, dtype=torch.complex64), "complex samples"),
        (torch.full((300,), complex("nan")), "finite"),
    ],
)
def test_wrong_recordings(recording, message):
    with pytest.raises(ValueError, match=message):
        receive_frame(recording, symbols=1)


def test_more_symbols_than_samples():
    with pytest.raises(SyncError, match="at least 1000000000000000 samples, got 300"):
        receive_frame(torch.ones(300, dtype=torch.complex64), symbols=10**15)
