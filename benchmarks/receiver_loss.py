"""What the receiver loses because it knows only what it hears.

    python benchmarks/receiver_loss.py docs/images/receiver-loss.png kodim05.png kodim14.png ...

The middle 256 x 256 pixels of each photo cross a link with noise, delay and carrier offset, three
times at each SNR. A receiver that knows delay, offset, gain and noise power takes the same samples.
"""

import argparse
import math
from pathlib import Path
from statistics import fmean

import torch
from matplotlib.figure import Figure
from torch import Tensor

from lrisc_system import LRISC, SHIPPED, load_image, load_model
from lrisc_system.metrics.quality import evaluate_pair
from lrisc_system.packets.packet import Packet
from lrisc_system.radio import (
    Frame,
    FrameLostError,
    MemorySamples,
    Observation,
    RadioLink,
    SingleCarrier,
    find_frames,
)
from lrisc_system.radio.resampling import SymbolClock
from lrisc_system.radio.spreading import despread

SNRS_DB = (1, 4, 7, 10, 13, 16, 19)
DRAWS = 3
CBR = 1 / 24
WAVEFORM = SingleCarrier(oversampling=2)


def middle(path: Path) -> Tensor:
    """Load the middle 256 x 256 pixels of a photo, (1, 3, 256, 256)."""
    image = load_image(path)
    top, left = (image.shape[-2] - 256) // 2, (image.shape[-1] - 256) // 2
    return image[..., top : top + 256, left : left + 256]


def known_link(frame: Frame, recording: Tensor, link: RadioLink, snr_db: float) -> Tensor:
    """Receive the JSCC symbols (K,) of a frame with all numbers of the link."""
    factor = WAVEFORM.oversampling
    clock = SymbolClock(
        link.delay + WAVEFORM.ramp * factor, link.carrier_offset, 0.0, factor, WAVEFORM.rolloff
    )
    count = frame.header.symbols
    positions = WAVEFORM.layout.cell_positions(len(frame.cells) - count, count)
    cells = clock.sample(recording, 0, int(positions[-1]) + 1)[positions]
    noise_power = torch.full((count,), 10 ** (-snr_db / 10))
    return despread(Observation(cells.to(torch.complex64), noise_power)).symbols


def compare(
    system: LRISC, image: Tensor, packet: Packet, snr_db: float, seed: int
) -> tuple[float, float, float] | None:
    """PSNR in dB with all numbers known, and with estimates; the SNR estimated. None if lost."""
    frame = Frame.from_packet(packet, snr_db, waveform=WAVEFORM)
    link = RadioLink(delay=300 + 0.37 * seed, carrier_offset=0.02)
    generator = torch.Generator().manual_seed(seed)
    sample_snr_db = snr_db - 10 * math.log10(WAVEFORM.oversampling)
    recording = link.record(frame.samples(), sample_snr_db, power=1.0, generator=generator)
    found = list(find_frames(MemorySamples(recording), waveform=WAVEFORM))
    try:
        received = found[0].packet()
    except (IndexError, FrameLostError):
        return None
    assert received.snr_db is not None
    best = Packet(
        symbols=known_link(frame, recording, link, snr_db),
        rate_stream=packet.rate_stream,
        z_stream=packet.z_stream,
        gain_code=packet.gain_code,
        image_size=packet.image_size,
        fingerprint=packet.fingerprint,
    )
    known = evaluate_pair(image, system.receive(best, snr_db)).psnr
    heard = evaluate_pair(image, system.receive(received, received.snr_db)).psnr
    return known, heard, received.snr_db


def draw(rows: list[tuple[float, float, float]]) -> Figure:
    """Draw PSNR with numbers known and estimated over the SNR, and their difference."""
    snrs, known, heard = zip(*rows, strict=True)
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    quality, loss = figure.subplots(1, 2)
    quality.plot(snrs, known, "o-", label="link known")
    quality.plot(snrs, heard, "s--", label="link estimated")
    quality.set_ylabel("PSNR in dB")
    quality.legend()
    loss.plot(snrs, [a - b for a, b in zip(known, heard, strict=True)], "o-", color="C3")
    loss.axhline(0.15, color="0.5", linestyle=":", label="0.15 dB")
    loss.set_ylim(-0.05, 0.2)
    loss.set_ylabel("loss in dB of PSNR")
    loss.legend()
    for axis in (quality, loss):
        axis.set_xticks(SNRS_DB)
        axis.set_xlabel("SNR in dB")
        axis.grid(alpha=0.3)
    return figure


def main() -> None:
    """Measure all photos at every SNR, print a table and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figure", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    options = parser.parse_args()
    system, rows = load_model(SHIPPED), []
    images = [middle(photo) for photo in options.photos]
    for snr_db in SNRS_DB:
        results = []
        for image in images:
            packet = system.send(image, snr_db, cbr=CBR)
            results += [compare(system, image, packet, snr_db, seed) for seed in range(DRAWS)]
        arrived = [result for result in results if result is not None]
        known, heard, estimate_db = (fmean(values) for values in zip(*arrived, strict=True))
        rows.append((snr_db, known, heard))
        print(
            f"{snr_db:2} dB: known {known:.2f}, estimated {heard:.2f}, loss {known - heard:+.3f} "
            f"dB, SNR estimated {estimate_db:.2f} dB, {len(results) - len(arrived)} frames lost",
            flush=True,
        )
    draw(rows).savefig(options.figure, dpi=120)


if __name__ == "__main__":
    main()
