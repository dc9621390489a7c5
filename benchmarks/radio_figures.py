"""Draw the pictures of the guide "From file to antenna".

    python benchmarks/radio_figures.py photo.png docs/images

They are the way of a frame, the spectrogram of a recording, received constellations, and the lost
blocks of the side information's codes over the SNR. The last one takes most of a minute.
"""

import argparse
import csv
import math
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from block_errors import COLUMNS, Block, lost_blocks
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor

from lrisc_system import SHIPPED, load_image, load_model
from lrisc_system.packets.packet import Packet
from lrisc_system.radio import Frame, MemorySamples, RadioLink, SingleCarrier, find_frames
from lrisc_system.radio.qam import Modulation

SNR_DB = 19.0
SAMPLE_RATE_HZ = 1e6
WAVEFORM = SingleCarrier(oversampling=2)
LINK = RadioLink(gain=0.3, delay=6000.4, carrier_offset=0.05, tail=6000)
KEY = COLUMNS[:5]  # that identify a row of the table of block errors
BLOCKS = 500  # of each code at each SNR
CURVES = tuple(
    Block(modulation, rate, 648, round(648 * rate))
    for modulation, rate in (
        (Modulation.QPSK, Fraction(1, 2)),
        (Modulation.QAM16, Fraction(1, 2)),
        (Modulation.QAM16, Fraction(3, 4)),
        (Modulation.QAM64, Fraction(3, 4)),
    )
)
SENDER = (
    ("photo", "LRISC.send"),
    ("packet", "symbols, rate map, z"),
    ("frame", "LDPC, QAM;\nsymbols spread"),
    ("single carrier", "preamble, pilots,\nroot-raised cosine"),
    ("recording", "SigMF, .cf32, .cs16"),
)
RECEIVER = (
    ("picture", "LRISC.receive"),
    ("packet", "symbols, rate map, z,\nSNR"),
    ("decoder", "header, rate map, z;\nspreading undone"),
    ("equaliser", "drift, paths, gain\nalong the pilots"),
    ("detector", "preamble: start,\ncarrier offset"),
)


def draw_chain() -> Figure:
    """Draw the way of a frame, sender above receiver."""
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    axis = figure.subplots()
    axis.set(xlim=(-0.45, 4.75), ylim=(-0.4, 1.4))
    axis.axis("off")
    ends = []
    for row, (blocks, arrow) in enumerate(((RECEIVER, "<-"), (SENDER, "->"))):
        before = None
        for column, (name, what) in enumerate(blocks):
            style = {"boxstyle": "round,pad=0.45", "facecolor": ("#dbe9f6", "#fde6d2")[row]}
            text = f"{name}\n{what}"
            label = axis.text(column, row, text, ha="center", va="center", bbox=style)
            if before is not None:
                _connect(axis, before, label, arrow)
            before = label
        ends.append(before)
    _connect(axis, ends[1], ends[0], "->")
    link = "radio link: noise,\ncarrier and clock\noffset, paths"
    axis.text(4.08, 0.5, link, va="center")
    return figure


def _connect(axis: Axes, first: Text, second: Text, style: str) -> None:
    """Draw an arrow between the boxes of two texts."""
    patches = {"patchA": first.get_bbox_patch(), "patchB": second.get_bbox_patch()}
    properties = {"arrowstyle": style, "shrinkA": 2, "shrinkB": 2, **patches}
    axis.annotate("", second.get_position(), first.get_position(), arrowprops=properties)


def record(packet: Packet, **options: int) -> tuple[Frame, Tensor]:
    """Send a packet over the link: the frame, and the recording (n,)."""
    frame = Frame.from_packet(packet, SNR_DB, waveform=WAVEFORM, **options)
    snr_db = SNR_DB - 10 * math.log10(WAVEFORM.oversampling)
    generator = torch.Generator().manual_seed(0)
    return frame, LINK.record(frame.samples(), snr_db, power=1.0, generator=generator)


def draw_spectrogram(recording: Tensor) -> Figure:
    """Draw a recording (n,) complex over time and frequency."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axis = figure.subplots()
    *_, image = axis.specgram(
        recording.numpy(), NFFT=256, noverlap=128, Fs=SAMPLE_RATE_HZ / 1e3, xextent=None
    )
    low, high = np.percentile(np.asarray(image.get_array()), (2, 99.5))
    image.set_clim(low, high)
    ticks = axis.get_xticks()
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xlim(0, len(recording) / SAMPLE_RATE_HZ * 1e3)
    axis.set(xlabel="time in ms", ylabel="frequency in kHz")
    figure.colorbar(image, ax=axis, label="power density in dB")
    return figure


def draw_constellations(packet: Packet) -> Figure:
    """Draw received header, side information and JSCC symbols, and those of 16 points."""
    figure = Figure(figsize=(10, 2.7), layout="constrained")
    axes = figure.subplots(1, 5, sharex=True, sharey=True)
    for constellation in (None, 16):
        options = {} if constellation is None else {"constellation": constellation}
        frame, recording = record(packet, **options)
        (found,) = find_frames(MemorySamples(recording), waveform=WAVEFORM)
        cells = found.frame.seen.symbols
        first = frame.header_format.symbols
        last = first + frame.header.side_symbols
        if constellation is None:
            side = f"side information\n{frame.header.rate_code.mcs}"
            _scatter(axes[0], cells[:first], f"header\n{frame.header_format.mcs}")
            _scatter(axes[1], cells[first:last], side)
            _scatter(axes[2], found.packet().symbols, "JSCC symbols,\nspreading undone")
            _scatter(axes[3], cells[last:], "JSCC symbols,\nas sent")
        else:
            _scatter(axes[4], cells[last:], "JSCC symbols,\n16 points")
    axes[0].set(xlim=(-3, 3), ylim=(-3, 3))
    return figure


def _scatter(axis: Axes, cells: Tensor, title: str) -> None:
    axis.plot(cells.real[:4000], cells.imag[:4000], ".", markersize=1.5, alpha=0.5)
    axis.set_title(title, fontsize=9)
    axis.set_aspect("equal")
    axis.grid(alpha=0.3)


def draw_block_errors() -> Figure:
    """Draw bit and block errors of some codes over the SNR, and where all codes arrive."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    errors, codes = figure.subplots(1, 2)
    for number, block in enumerate(CURVES):
        (threshold_db,) = (
            float(row["snr_db"]) for row in table() if tuple(row[key] for key in KEY) == block.key
        )
        snrs = np.arange(threshold_db - 2.4, threshold_db - 0.2, 0.3)
        counts = [lost_blocks(block, snr, most=BLOCKS, blocks=BLOCKS) for snr in snrs]
        style = {"color": f"C{number}", "markersize": 3}
        block_rate = [lost / sent for sent, lost, _ in counts]
        bit_rate = [bits / sent / block.information for sent, _, bits in counts]
        label = f"{block.modulation.value.name} {block.rate}"
        errors.semilogy(snrs, _positive(block_rate), "o-", label=label, **style)
        errors.semilogy(snrs, _positive(bit_rate), "s:", **style)
        errors.plot(threshold_db, 1e-3, "*", color=f"C{number}", markersize=10)
    errors.set(xlabel="SNR in dB", ylabel="rate of lost blocks (lines), wrong bits (dotted)")
    errors.set_ylim(1e-4, 1.2)
    errors.set_xlim(-1, 23)
    errors.legend(fontsize=8, loc="upper right")
    limit = np.linspace(-8, 20, 100)
    codes.plot(limit, np.log2(1 + 10 ** (limit / 10)), color="0.4", label="Shannon's limit")
    for name, marker in (("QPSK", "o"), ("16-QAM", "s"), ("64-QAM", "^")):
        rows = [row for row in table() if row["modulation"] == name]
        x, y = ([float(row[key]) for row in rows] for key in ("snr_db", "bits_per_symbol"))
        codes.plot(x, y, marker, markersize=4, label=name)
    codes.set(xlabel="SNR in dB from which one block in a thousand is lost")
    codes.set(ylabel="information bits per symbol", ylim=(0, 6))
    codes.legend(fontsize=8)
    for axis in (errors, codes):
        axis.grid(alpha=0.3)
    return figure


def _positive(rates: list[float]) -> list[float]:
    """Leave gaps where nothing was lost."""
    return [rate if rate > 0 else math.nan for rate in rates]


def table() -> list[dict[str, str]]:
    """Rows of the measured table."""
    text = files("lrisc_system.radio").joinpath("block_errors.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


def main() -> None:
    """Draw all pictures into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    system = load_model(SHIPPED)
    packet = system.send(load_image(options.photo), SNR_DB, cbr=1 / 48)
    _, recording = record(packet)
    figures = {
        "radio-chain.png": draw_chain(),
        "spectrogram.jpg": draw_spectrogram(recording),
        "constellations.png": draw_constellations(packet),
        "block-errors.png": draw_block_errors(),
    }
    for name, figure in figures.items():
        figure.savefig(options.folder / name, dpi=120)


if __name__ == "__main__":
    main()
