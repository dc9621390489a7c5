"""What the receiver of the single-carrier waveform loses against perfect synchronisation.

    python benchmarks/synchronization.py photo.png
    python benchmarks/synchronization.py photo.png --gnuradio /usr/bin/python3

A photo crosses links with one impairment each. The effective SNR is the power of the symbols over
their mean square error after equalisation. The row "perfect" is the same noise without a link. With
`--gnuradio`, the Python of a GNU Radio 3.10 puts every recording through `channels.channel_model`.
At two samples per symbol the noise is that of the same SNR per symbol.
"""

import argparse
import math
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from lrisc_system import LRISC, SHIPPED, load_image, load_model
from lrisc_system.metrics.quality import evaluate_pair
from lrisc_system.packets.packet import Packet
from lrisc_system.radio.amplifier import papr_db
from lrisc_system.radio.channels import Taps
from lrisc_system.radio.detection import SyncError
from lrisc_system.radio.finite_constellation import SIZES, project_to_constellation
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.single_carrier import SingleCarrier

FLOWGRAPH = Path(__file__).parent.parent / "examples" / "gnuradio" / "channel.py"
ZEROS = 777  # before the frame
RMS = 0.25  # of a recording whose peaks reach 0.9; the DC offset is 0.01 of full scale


@dataclass(frozen=True)
class Case:
    """One impairment, for our link and, unless None, for GNU Radio's."""

    name: str
    link: RadioLink
    options: tuple[str, ...] | None = None


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
    Case(
        "phase noise, IQ, DC",
        RadioLink(phase_noise=0.003, iq_gain=0.05, dc=0.01 / RMS),
        ("--phase-noise", "0.003", "--iq-magnitude-db", "0.4238", "--dc", str(0.01 / RMS)),
    ),
    *(Case(f"peaks clipped at {limit} dB", RadioLink(max_papr_db=limit)) for limit in (6, 3)),
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


def measure(
    system: LRISC, image: Tensor, packet: Packet, snr_db: float, link: Link, oversampling: int
) -> list[tuple[str, ...]]:
    """Measure every case: name, effective SNR, estimated SNR, PSNR, seconds."""
    waveform = SingleCarrier(oversampling=oversampling)
    frame = waveform.modulate(packet.symbols)

    def psnr(symbols: Tensor, snr: float) -> float:
        received = system.receive(replace(packet, symbols=symbols), snr)
        return evaluate_pair(image, received).psnr

    noise = torch.randn(
        packet.symbols.shape,
        dtype=torch.complex64,
        generator=torch.Generator().manual_seed(0),
    )
    perfect = packet.symbols + 10 ** (-snr_db / 20) * noise
    effective = effective_snr_db(packet.symbols, perfect)
    rows = [("perfect", f"{effective:.2f}", f"{snr_db:.2f}", f"{psnr(perfect, snr_db):.2f}", "")]
    for size in SIZES:
        # The power that the projection takes counts as noise, too.
        points = project_to_constellation(packet.symbols, size=size)
        received = points + 10 ** (-snr_db / 20) * noise
        effective = effective_snr_db(packet.symbols, received)
        quality = psnr(received, effective)
        rows.append((f"perfect, {size} points", f"{effective:.2f}", "", f"{quality:.2f}", ""))
    for case in CASES:
        if case.options is None and link is not our_link:
            continue
        recording = link(case, frame, snr_db - 10 * math.log10(oversampling))
        begun = time.monotonic()
        try:
            observation = waveform.receive(recording).cells(0, len(packet.symbols))
        except SyncError as error:
            rows.append((case.name, str(error), "", "", ""))
            continue
        seconds = time.monotonic() - begun
        effective = effective_snr_db(packet.symbols, observation.symbols)
        estimate = -10 * math.log10(float(observation.noise_power.mean()))
        quality = psnr(observation.symbols, estimate)
        numbers = (f"{value:.2f}" for value in (effective, estimate, quality, seconds))
        rows.append((case.name, *numbers))
    return rows


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
        packet = system.send(image, options.snr_db, cbr=options.cbr)
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
            ratio = papr_db(SingleCarrier(oversampling=oversampling).modulate(packet.symbols))
            print(f"PAPR at {oversampling} samples per symbol: {ratio:.1f} dB")


if __name__ == "__main__":
    main()
