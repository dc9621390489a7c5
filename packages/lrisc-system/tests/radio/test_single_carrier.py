import math
from dataclasses import replace

import pytest
import torch

from lrisc_system.radio.channels import Taps
from lrisc_system.radio.detection import SyncError
from lrisc_system.radio.framing import FrameLayout
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.single_carrier import SingleCarrier
from lrisc_system.radio.waveform import Reception, Waveform


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def cells_of(count, seed=0):
    return torch.randn(count, dtype=torch.complex64, generator=seeded(seed))


def loss_db(received, sent, noise_power):
    """How much larger the error is than the noise, at the scale that suits best.

    A gain that is estimated 3% off changes the error at 1 dB by 0.26 dB, up or down, and hardly
    what a receiver makes of the symbols that weighs them by their SNR.
    """
    inner = float((received * sent.conj()).mean().real)
    share = inner**2 / float(sent.abs().square().mean() * received.abs().square().mean())
    return 10 * math.log10((1 - share) / share * float(sent.abs().square().mean()) / noise_power)


def over(link, snr_db, *, count=6000, oversampling=1, seed=0):
    """Send cells over a link: loss in dB, the reception and the observation."""
    waveform, sent = SingleCarrier(oversampling=oversampling), cells_of(count, seed)
    frame, snr_db = waveform.modulate(sent), snr_db - 10 * math.log10(oversampling)
    recording = link.record(frame, snr_db, power=1.0, generator=seeded(seed + 100))
    # The same draw without a frame: what the noise really was.
    silent = replace(link, dc=0, iq_gain=0, gain=1)
    noise = silent.record(0 * frame, snr_db, power=1.0, generator=seeded(seed + 100))
    noise_power = float(noise.abs().square().mean()) / oversampling
    reception = waveform.receive(recording)
    observation = reception.cells(0, count)
    return loss_db(observation.symbols, sent, noise_power), reception, observation


def test_it_is_a_waveform():
    waveform: Waveform = SingleCarrier()
    reception: Reception = waveform.receive(waveform.modulate(cells_of(10)))
    assert reception.gain == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("count", [1, 248, 2000])
def test_a_clean_frame_comes_back(count):
    sent = cells_of(count)
    reception = SingleCarrier().receive(SingleCarrier().modulate(sent))
    received = reception.cells(0, count).symbols
    assert reception.start == pytest.approx(0, abs=0.01)
    assert reception.snr_db > 35
    error = (received - sent).abs().square().mean().sqrt()
    assert error < (1e-3 if count == 2000 else 0.02)


@pytest.mark.parametrize("oversampling", [2, 4, 8])
def test_a_clean_oversampled_frame_comes_back(oversampling):
    waveform, sent = SingleCarrier(oversampling=oversampling), cells_of(1000)
    samples = waveform.modulate(sent)
    assert len(samples) == oversampling * waveform.length(1000)
    assert samples.abs().square().mean().item() == pytest.approx(1, abs=0.06)
    reception = waveform.receive(torch.nn.functional.pad(samples, (333, 50)))
    assert reception.start == pytest.approx(333, abs=0.05 * oversampling)
    assert loss_db(reception.cells(0, 1000).symbols, sent, 1) < -45


def test_the_header_first_and_the_rest_later():
    _, reception, everything = over(RadioLink(delay=100.4, carrier_offset=0.01), 30.0)
    header, rest = reception.cells(0, 60), reception.cells(60, 5940)
    assert torch.allclose(header.symbols, everything.symbols[:60], atol=0.2)
    assert torch.equal(rest.symbols, everything.symbols[60:])
    assert rest.noise_power.shape == (5940,)
    assert reception.cells(0, 0).symbols.shape == (0,)


@pytest.mark.parametrize("snr_db", [1.0, 10.0, 19.0])
@pytest.mark.parametrize("offset", [0.0, 0.083])
def test_little_is_lost_in_noise_alone(snr_db, offset):
    link = RadioLink(delay=321.0, carrier_offset=offset, gain=0.01, phase=2.0)
    losses = [over(link, snr_db, seed=seed)[0] for seed in range(3)]
    assert abs(sum(losses) / 3) < 0.15


@pytest.mark.parametrize(
    ("link", "most_db"),
    [
        (RadioLink(carrier_offset=0.02), 0.1),
        (RadioLink(carrier_offset=-0.08), 0.1),
        (RadioLink(delay=50.5), 0.1),
        (RadioLink(clock_offset=2e-5, carrier_offset=0.003), 0.15),
        (RadioLink(phase_noise=0.003, iq_gain=0.05, dc=0.04), 0.3),
        # The best linear equaliser loses 0.8 dB on these.
        (RadioLink(channel=Taps((1, 0.3j, 0.1))), 1.1),
    ],
)
def test_little_is_lost_on_impaired_links(link, most_db):
    loss, _, observation = over(link, 10.0, count=12_000)
    assert loss < most_db
    estimate = 10 * math.log10(float(observation.noise_power.mean())) + 10
    assert estimate == pytest.approx(loss, abs=0.6)  # 630 known symbols tell the noise to 0.17 dB


@pytest.mark.parametrize("oversampling", [2, 8])
def test_an_oversampled_frame_crosses_a_link(oversampling):
    link = RadioLink(delay=1000.7, carrier_offset=0.08, clock_offset=-1e-5)
    loss, reception, _ = over(link, 10.0, count=2000, oversampling=oversampling)
    assert loss < 0.3
    assert reception.start == pytest.approx(1000.7, abs=0.1 * oversampling)
    assert reception.carrier_offset == pytest.approx(0.08, abs=2e-4 / oversampling)


def test_the_links_numbers_are_found():
    link = RadioLink(gain=0.01, phase=2.0, carrier_offset=-8e-4, delay=1234.5)
    _, reception, _ = over(link, 15.0)
    assert reception.start == pytest.approx(1234.5, abs=0.02)
    assert reception.carrier_offset == pytest.approx(-8e-4, abs=1e-4)  # of the preamble
    assert reception.gain == pytest.approx(0.01, rel=0.03)
    assert reception.snr_db == pytest.approx(15, abs=1)


def test_the_search_begins_where_it_is_told():
    waveform = SingleCarrier()
    first, second = cells_of(300, 1), cells_of(400, 2)
    recording = torch.cat([waveform.modulate(first), waveform.modulate(second)])
    reception = waveform.receive(recording, first=waveform.length(300) // 2)
    assert reception.start == pytest.approx(waveform.length(300), abs=0.05)
    assert torch.allclose(reception.cells(0, 400).symbols, second, atol=0.2)


@pytest.mark.parametrize("oversampling", [1, 2])
def test_noise_and_silence_are_no_frame(oversampling):
    noise = torch.randn(30_000, dtype=torch.complex64, generator=seeded())
    for recording in (noise, torch.zeros(1000, dtype=torch.complex64)):
        with pytest.raises(SyncError, match="no frame found"):
            SingleCarrier(oversampling=oversampling).receive(recording)


def test_a_frame_that_is_cut_off():
    samples = SingleCarrier().modulate(cells_of(500))
    reception = SingleCarrier().receive(samples[:-7])
    with pytest.raises(SyncError, match="ends 7 samples before the frame"):
        reception.cells(0, 500)
    with pytest.raises(SyncError, match="samples before the frame"):
        reception.cells(0, 10**15)
    assert reception.cells(0, 400).symbols.shape == (400,)
    with pytest.raises(ValueError, match="first and count >= 0"):
        reception.cells(-1, 3)


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (torch.zeros(100, dtype=torch.complex64), "at least 250 samples, got 100"),
        (torch.zeros(300), "complex samples"),
        (torch.zeros(2, 300, dtype=torch.complex64), "complex samples"),
        (torch.full((300,), complex("nan")), "finite"),
    ],
)
def test_wrong_recordings(recording, message):
    with pytest.raises(ValueError, match=message):
        SingleCarrier().receive(recording)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"oversampling": 9}, "1 to 8 samples per symbol, got 9"),
        ({"rolloff": 1.5}, "roll-off in 0..1, got 1.5"),
        ({"max_carrier_offset": 0.3}, "largest carrier offset"),
    ],
)
def test_wrong_waveforms(wrong, message):
    with pytest.raises(ValueError, match=message):
        SingleCarrier(**wrong)


def test_more_pilots_may_be_had():
    waveform = SingleCarrier(layout=FrameLayout(pilots=8, period=64))
    link = RadioLink(phase_noise=0.02)
    sent = cells_of(6000)
    losses = []
    for each in (waveform, replace(waveform, layout=FrameLayout())):
        recording = link.record(each.modulate(sent), 15.0, generator=seeded(1))
        losses.append(loss_db(each.receive(recording).cells(0, 6000).symbols, sent, 10**-1.5))
    assert losses[0] < losses[1] - 0.5
