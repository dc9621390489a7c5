"""What frames lose on impaired links, and by a finite constellation or clipped peaks.

    python benchmarks/synchronization.py photo.png
    python benchmarks/synchronization.py photo.png --gnuradio /usr/bin/python3

A photo crosses links as a whole frame: the receiver has the samples alone, and decodes header and
side information from them. The effective SNR is the power of the JSCC symbols over their mean
square error. The first rows are the same noise without a link. With `--gnuradio`, the Python of a
GNU Radio 3.10 puts every recording through `channels.channel_model`. The SNR is per symbol.
"""

import argparse
import math
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
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
    SyncError,
    find_frames,
    frame_uses,
)
from lrisc_system.radio.amplifier import papr_db
from lrisc_system.radio.channels import Taps
from lrisc_system.radio.finite_constellation import (
    SIZES,
    project_to_constellation,
    undo_projection,
)
from lrisc_system.radio.spreading import despread, spread

FLOWGRAPH = Path(__file__).parent.parent / "examples" / "gnuradio" / "channel.py"
ZEROS = 777  # before the frame
RMS = 0.25  # of a recording whose peaks reach 0.9; the DC offset is 0.01 of full scale


@dataclass(frozen=True)
class Case:
    """One impairment, for our link and, unless None, for GNU Radio's; or a limit of the frame."""

    name: str
    link: RadioLink = field(default_factory=RadioLink)
    options: tuple[str, ...] | None = None
    constellation: int | None = None
    max_papr_db: float = math.inf
    margin_db: float = 0.0


CASES = (
    Case("noise alone", RadioLink(), ()),
    *(
        Case(
            f"carrier offset {offset}",
            RadioLink(carrier_offset=offset),
            ("--frequency-offset", str(offset)),
        )
        for offset in (0.003, 0.02, 0.08)
    ),
    *(
        Case(
            f"sample clock {ppm} ppm",
            RadioLink(clock_offset=ppm * 1e-6),
            ("--epsilon", str(1 + ppm * 1e-6)),
        )
        for ppm in (10, 20)
    ),
    Case(
        "taps 1, 0.3j, 0.1", RadioLink(channel=Taps((1, 0.3j, 0.1))), ("--taps", "1", "0.3j", "0.1")
    ),
    Case("the same taps, margin 1 dB", RadioLink(channel=Taps((1, 0.3j, 0.1))), margin_db=1),
    Case(
        "phase noise, IQ, DC",
        RadioLink(phase_noise=0.003, iq_gain=0.05, dc=0.01 / RMS),
        ("--phase-noise", "0.003", "--iq-magnitude-db", "0.4238", "--dc", str(0.01 / RMS)),
    ),
    *(Case(f"{size} points", constellation=size) for size in SIZES),
    *(Case(f"peaks clipped at {limit} dB", max_papr_db=limit) for limit in (6, 4, 3)),
    Case("16 points, clipped at 4 dB", constellation=16, max_papr_db=4),
)
Link = Callable[[Case, Tensor, float], Tensor]


def our_link(case: Case, frame: Tensor, snr_db: float) -> Tensor:
    """Send a frame of unit power over our own link."""
    link = replace(case.link, delay=ZEROS)
    return link.record(frame, snr_db, power=1.0, generator=torch.Generator().manual_seed(1))


def gnuradio_link(python: str) -> Link:
    """Make a link that GNU Radio is."""

    def link(case: Case, frame: Tensor, snr_db: float) -> Tensor:
        with tempfile.TemporaryDirectory() as folder:
            sent, received = Path(folder) / "sent.cf32", Path(folder) / "received.cf32"
            torch.nn.functional.pad(frame, (0, 256)).numpy().tofile(sent)
            assert case.options is not None
            noise = ("--noise-voltage", str(10 ** (-snr_db / 20)), "--delay", str(ZEROS))
            subprocess.run(
                [python, str(FLOWGRAPH), str(sent), str(received), *noise, *case.options],
                check=True,
                capture_output=True,
            )
            return torch.from_numpy(np.fromfile(received, dtype=np.complex64))

    return link


def effective_snr_db(sent: Tensor, received: Tensor) -> float:
    """Power of the symbols over their mean square error, in dB."""
    error = (received - sent).abs().square().mean()
    return 10 * math.log10(float(sent.abs().square().mean() / error))


def without_link(packet: Packet, snr_db: float) -> dict[str, Observation]:
    """Receive the JSCC symbols in noise of known power: as they are, spread, and of few points."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(packet.symbols.shape, dtype=torch.complex64, generator=generator)
    power = torch.full((len(noise),), 10 ** (-snr_db / 10))
    noise = power.sqrt() * noise
    cells = spread(packet.symbols)
    seen = {
        "perfect, not spread": Observation(packet.symbols + noise, power),
        "perfect": despread(Observation(cells + noise, power)),
    }
    for size in SIZES:
        plain = project_to_constellation(packet.symbols, size=size) + noise
        seen[f"{size} points, not spread"] = undo_projection(Observation(plain, power), size=size)
        points = Observation(project_to_constellation(cells, size=size) + noise, power)
        seen[f"perfect, {size} points"] = despread(undo_projection(points, size=size))
    return seen


def measure(
    system: LRISC, image: Tensor, packet: Packet, snr_db: float, link: Link, oversampling: int
) -> Iterator[tuple[str, ...]]:
    """Measure every case: name, effective SNR, estimated SNR, PSNR, seconds."""

    def row(name: str, symbols: Tensor, estimate_db: float, seconds: str) -> tuple[str, ...]:
        received = system.receive(replace(packet, symbols=symbols), estimate_db)
        effective = effective_snr_db(packet.symbols, symbols)
        numbers = (effective, estimate_db, evaluate_pair(image, received).psnr)
        return (name, *(f"{number:.2f}" for number in numbers), seconds)

    if oversampling == 1 and link is our_link:
        for name, seen in without_link(packet, snr_db).items():
            estimate_db = -10 * math.log10(float(seen.noise_power.mean()))
            yield row(name, seen.symbols, estimate_db, "")
    for case in CASES:
        if case.options is None and link is not our_link:
            continue
        frame = Frame.from_packet(
            packet,
            snr_db,
            waveform=SingleCarrier(oversampling=oversampling),
            constellation=case.constellation,
            max_papr_db=case.max_papr_db,
            margin_db=case.margin_db,
        )
        recording = link(case, frame.samples(), snr_db - 10 * math.log10(oversampling))
        begun = time.monotonic()
        try:
            (found,) = find_frames(MemorySamples(recording), waveform=frame.waveform)
            received = found.packet()
        except (ValueError, FrameLostError) as error:
            yield (case.name, str(error), "", "", "")
            continue
        assert received.snr_db is not None
        seconds = f"{time.monotonic() - begun:.2f}"
        yield row(case.name, received.symbols, received.snr_db, seconds)


def count_false_alarms(blocks: int) -> int:
    """Look for frames in blocks of a million samples of noise; return how many are found."""
    alarms = 0
    for seed in range(blocks):
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(1_000_000, dtype=torch.complex64, generator=generator)
        try:
            SingleCarrier().receive(noise)
        except SyncError:
            continue
        alarms += 1
    return alarms


def main() -> None:
    """Print a table for every link and oversampling."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--cbr", type=float, default=1 / 48)
    parser.add_argument("--oversampling", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--gnuradio", help="Python that can import gnuradio")
    parser.add_argument("--noise", type=int, default=2, help="million samples without a frame")
    options = parser.parse_args()
    print(f"{count_false_alarms(options.noise)} false alarms in {options.noise} million samples")
    system, image = load_model(SHIPPED), load_image(options.photo)
    with torch.inference_mode():
        cost = partial(frame_uses, snr_db=options.snr_db, waveform=SingleCarrier(oversampling=2))
        packet = system.send(image, options.snr_db, cbr=options.cbr, channel_uses=cost)
        print(f"{len(packet.symbols)} symbols in a frame of {cost(packet)}")
        links: dict[str, Link] = {"our link": our_link}
        if options.gnuradio:
            links["GNU Radio"] = gnuradio_link(options.gnuradio)
        for name, link in links.items():
            for oversampling in options.oversampling:
                title = f"{name}, {oversampling} samples per symbol, {options.snr_db:g} dB"
                table = Table(
                    "impairment", "effective dB", "estimate dB", "PSNR dB", "s", title=title
                )
                for row in measure(system, image, packet, options.snr_db, link, oversampling):
                    table.add_row(*row)
                Console(width=110).print(table)
        for oversampling in options.oversampling:
            waveform = SingleCarrier(oversampling=oversampling)
            frame = Frame.from_packet(packet, options.snr_db, waveform=waveform)
            plain = papr_db(waveform.modulate(packet.symbols))
            print(
                f"PAPR at {oversampling} samples per symbol: {papr_db(frame.samples()):.1f} dB, "
                f"{plain:.1f} dB if the symbols were not spread"
            )


if __name__ == "__main__":
    main()
