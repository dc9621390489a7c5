import re

import pytest
import torch

from lrisc_system.data.images import load_image
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.recording import Recording
from lrisc_system.radio.samples import MemorySamples, RawFormat, RawSamples, raw_bytes

pytest.importorskip("sigmf", reason="needs the sigmf library: lrisc-system[sigmf]")
from lrisc_system.radio.sigmf import read_sigmf, write_sigmf


@pytest.fixture
def sent(lrisc, photo, checkpoint, tmp_path):
    """Two photos, or as many as are asked for, in a recording at 15 dB."""

    def send(*options, count=2):
        path = tmp_path / "sent.sigmf-meta"
        for _ in range(count):
            model = ("--format", "sigmf", "--append", "--snr-db", 15, "--checkpoint", checkpoint)
            code, output, error = lrisc("send", photo, path, *model, *options)
            assert code == 0, error
            assert "channel uses" in output
        recording = read_sigmf(path)
        return recording, recording.samples.read(0, len(recording.samples))

    return send


@pytest.fixture
def received(tmp_path):
    """Write samples as a recording of a radio."""

    def write(samples):
        write_sigmf(Recording(MemorySamples(samples), 2e6), tmp_path / "received")
        return tmp_path / "received.sigmf-meta"

    return write


def on_the_air(samples, snr_db=15.0, seed=0):
    link = RadioLink(gain=0.1, carrier_offset=3e-4, delay=100.5)
    return link.record(samples, snr_db, generator=torch.Generator().manual_seed(seed))


def test_a_recording_alone_gives_the_pictures(
    lrisc, one_line, sent, received, checkpoint, tmp_path
):
    options = ("--sample-rate-hz", 2e6, "--center-frequency-hz", 433.92e6)
    recording, samples = sent(*options)
    assert (recording.sample_rate_hz, recording.center_frequency_hz) == (2e6, 433.92e6)
    assert len(recording.annotations) == 2
    path, image = received(on_the_air(samples)), tmp_path / "b.png"
    receive = ("receive", path, image, "--checkpoint", checkpoint)
    result = lrisc(*receive)
    starts = [float(word) for word in re.findall(r" (\d+\.\d\d) ", result[1])]
    gap = recording.annotations[1].start
    assert starts == pytest.approx([100.5, 100.5 + gap], abs=0.1)
    assert "expected --frame or --all for a recording of 2 frames" in one_line(result)
    assert not image.exists()
    assert lrisc(*receive, "--frame", 2)[0] == 0
    assert load_image(image).shape == (1, 3, 40, 56)
    assert lrisc(*receive, "--all")[0] == 0
    assert torch.equal(load_image(image), load_image(tmp_path / "b-2.png"))
    assert (tmp_path / "b-1.png").exists()
    assert "--frame in 1..2, got 3" in one_line(lrisc(*receive, "--frame", 3))
    assert "got both" in one_line(lrisc(*receive, "--frame", 1, "--all"))


@pytest.mark.parametrize("suffix", ["cf32", "cs16"])
def test_raw_samples(lrisc, one_line, photo, checkpoint, tmp_path, suffix):
    path, image = tmp_path / f"a.{suffix}", tmp_path / "b.png"
    model = ("--checkpoint", checkpoint)
    assert lrisc("send", photo, path, "--format", "raw", *model)[0] == 0
    samples = on_the_air(RawSamples(path).read(0, 10**6))
    path.write_bytes(raw_bytes(samples, RawFormat[suffix]))
    receive = ("receive", path, image, *model)
    assert "expected --sample-rate-hz" in one_line(lrisc(*receive))
    assert lrisc(*receive, "--sample-rate-hz", 1e6)[0] == 0
    assert load_image(image).shape == (1, 3, 40, 56)
    wrong = lrisc("send", photo, tmp_path / "a.wav", "--format", "raw", *model)
    assert ".cf32 or .cs16" in one_line(wrong)


def test_recordings_without_a_frame_draw_nothing(
    lrisc, one_line, sent, received, checkpoint, tmp_path
):
    """Noise, a wrong sample rate, a preamble whose header does not check."""
    _, samples = sent(count=1)
    noise = torch.randn(9000, dtype=torch.complex64)
    header_lost = torch.cat([samples[:516], noise[:4000]])
    for bad in (noise, samples.repeat_interleave(2), header_lost, samples[:600]):
        result = lrisc("receive", received(bad), tmp_path / "b.png", "--checkpoint", checkpoint)
        assert "no frame found" in one_line(result)
        assert not (tmp_path / "b.png").exists()


def test_frames_with_a_problem_draw_nothing(lrisc, one_line, sent, received, checkpoint, tmp_path):
    _, samples = sent(count=1)
    overlapped = torch.cat([samples, torch.zeros(850)])
    overlapped[850:] += samples
    parts = torch.view_as_real(samples + 1e-3 * torch.randn_like(samples))
    clipped = torch.view_as_complex(parts.clamp(-0.3, 0.3))
    for bad, message in (
        (samples[:-50], "is cut: the recording ends 50 samples before it does"),
        (overlapped, "overlaps another frame"),
        (clipped, "is clipped"),
    ):
        result = lrisc("receive", received(bad), tmp_path / "b.png", "--checkpoint", checkpoint)
        assert message in one_line(result)
        assert not (tmp_path / "b.png").exists()


def test_the_frames_that_are_left_are_drawn(lrisc, one_line, sent, received, checkpoint, tmp_path):
    _, samples = sent()
    path = received(samples[:-50])
    result = lrisc("receive", path, tmp_path / "b.png", "--all", "--checkpoint", checkpoint)
    error = one_line(result)
    assert "1 of 2 frames are lost: frame number 1 is cut" in error
    assert [file.name for file in tmp_path.glob("b*.png")] == ["b-1.png"]


def test_a_frame_of_another_model_is_refused(lrisc, one_line, sent, received, checkpoint, tmp_path):
    from lrisc_system.storage.checkpoint import load_model, save_model

    _, samples = sent(count=1)
    system = load_model(checkpoint)
    list(system.jscc_decoder.parameters())[-1].data.add_(0.5)
    save_model(system, tmp_path / "other")
    path = received(samples)
    result = lrisc("receive", path, tmp_path / "b.png", "--checkpoint", tmp_path / "other")
    assert "made by another model" in one_line(result)
    assert not (tmp_path / "b.png").exists()


def test_a_lost_z_is_refused_or_replaced(
    lrisc, one_line, sent, received, checkpoint, tmp_path, monkeypatch
):
    from lrisc_system.radio import frame
    from lrisc_system.radio.receiver import find_frames
    from lrisc_system.radio.single_carrier import SingleCarrier

    monkeypatch.setattr(frame, "MOST_BYTES_TOGETHER", 0)
    recording, samples = sent(count=1)
    (found,) = find_frames(recording.samples, waveform=SingleCarrier(oversampling=2))
    header = found.header
    first = found.frame.header_format.symbols + header.rate_code.symbols(header.rate_bytes)
    cells = first + torch.arange(header.z_code.symbols(header.z_bytes))
    ramp, pilots = 8, 8 * (cells // 248)
    middle = 2 * (ramp + 250 + cells + pilots)[5:-5]  # samples, two for each
    damaged, noise = samples.clone(), torch.Generator().manual_seed(0)
    for position in (middle, middle + 1):
        damaged[position] = 0.3 * torch.randn(len(middle), dtype=torch.complex64, generator=noise)
    receive = ("receive", received(damaged), tmp_path / "b.png", "--checkpoint", checkpoint)
    assert "is lost: its z does not decode" in one_line(lrisc(*receive))
    assert not (tmp_path / "b.png").exists()
    assert lrisc(*receive, "--on-loss", "prior_mean")[0] == 0
    assert load_image(tmp_path / "b.png").shape == (1, 3, 40, 56)


def test_options_of_recordings_belong_to_recordings(lrisc, one_line, photo, checkpoint, tmp_path):
    packet = tmp_path / "a.lrisc"
    model = ("--checkpoint", checkpoint)
    assert lrisc("send", photo, packet, *model)[0] == 0
    for options in (("--frame", 1), ("--all",), ("--sample-rate-hz", 1e6)):
        result = lrisc("receive", packet, tmp_path / "b.png", *options, *model)
        assert "expected a recording with" in one_line(result)
    for options in (("--append",), ("--constellation", 16), ("--max-papr-db", 6)):
        result = lrisc("send", photo, packet, *options, *model)
        assert options[0] in one_line(result)
    meta = tmp_path / "sent.sigmf-meta"
    assert lrisc("send", photo, meta, "--format", "sigmf", *model)[0] == 0
    result = lrisc("receive", meta, tmp_path / "b.png", "--sample-rate-hz", 1e6, *model)
    assert "only for raw samples" in one_line(result)


def test_the_bandwidth_bounds_the_whole_frame(lrisc, photo, checkpoint, tmp_path):
    """40 x 56 pixels: 6720 numbers, of which a tenth is 672 channel uses."""
    path = tmp_path / "a.sigmf-meta"
    options = ("--format", "sigmf", "--cbr", "1/10", "--checkpoint", checkpoint)
    for oversampling in (1, 2, 4):
        assert lrisc("send", photo, path, *options, "--oversampling", oversampling)[0] == 0
        assert 0.9 * 672 < len(read_sigmf(path).samples) / oversampling <= 672


def test_oversampling_is_that_of_the_sender(lrisc, one_line, sent, received, checkpoint, tmp_path):
    _, samples = sent("--oversampling", 3, count=1)
    receive = ("receive", received(on_the_air(samples)), tmp_path / "b.png")
    receive = (*receive, "--checkpoint", checkpoint)
    assert "2 per symbol" in one_line(lrisc(*receive))
    assert lrisc(*receive, "--oversampling", 3)[0] == 0
    assert "1 to 8 samples per symbol, got 9" in one_line(lrisc(*receive, "--oversampling", 9))


def test_a_digital_radio_with_clipped_peaks(lrisc, sent, received, checkpoint, tmp_path):
    options = ("--constellation", 16, "--max-papr-db", 5, "--oversampling", 1)
    _, samples = sent(*options, count=1)
    power = samples.abs().square()
    assert power.max() / power.mean() < 10**0.53
    path = received(on_the_air(samples))
    receive = ("receive", path, tmp_path / "b.png", "--checkpoint", checkpoint)
    assert lrisc(*receive, "--oversampling", 1)[0] == 0
