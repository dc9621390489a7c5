"""Packet files and SigMF recordings of packets, with the lines that commands print about them."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from lrisc_system.packets.packet import Packet, read_packet, write_packet
from lrisc_system.radio.recording import record_packet, recover_packet
from lrisc_system.radio.sigmf import SIGMF_SUFFIXES, read_sigmf, write_sigmf


def write_sent(
    packet: Packet,
    path: Path,
    *,
    snr_db: float,
    as_recording: bool,
    sample_rate_hz: float,
    center_frequency_hz: float,
    console: Console,
) -> None:
    """Write a packet of the sender, and print its cost.

    Args:
        packet: to write.
        path: of the file.
        snr_db: SNR at which the side information is charged.
        as_recording: write a SigMF recording, of two files.
        sample_rate_hz: of the recording.
        center_frequency_hz: of the radio that will play the recording.
        console: to print on.
    """
    height, width = packet.image_size
    cbr = packet.cbr(snr_db)
    console.print(
        f"{width} x {height}: {len(packet.symbols)} symbols and {packet.side_bits} bits of side "
        f"information, CBR {cbr:.4f} at {snr_db:g} dB"
    )
    if not as_recording:
        write_packet(packet, path)
        return
    recording = record_packet(
        packet, sample_rate_hz=sample_rate_hz, center_frequency_hz=center_frequency_hz
    )
    names = ", ".join(file.name for file in write_sigmf(recording, path))
    overhead = len(recording.samples) - recording.symbols
    console.print(
        f"{overhead} channel uses of preamble and pilots, CBR "
        f"{cbr + overhead / (3 * height * width):.4f} with them; {names}"
    )


def read_received(path: Path, sent: Path | None, *, max_pixels: int, console: Console) -> Packet:
    """Read a packet from its file, or from a recording, and print the estimates of the receiver.

    Args:
        path: of the packet, or of the received recording.
        sent: recording that was sent, if the received one lacks the side information.
        max_pixels: largest image that the packet may claim to hold.
        console: to print on.

    Raises:
        ValueError: if `sent` is given for what is no recording, or nothing is found in it.
    """
    if path.suffix not in SIGMF_SUFFIXES:
        if sent is not None:
            raise ValueError(f"expected a SigMF recording to go with --sent, got {path}")
        return read_packet(path, max_pixels=max_pixels)
    recording = read_sigmf(path, sent=sent, max_pixels=max_pixels)
    packet, frame = recover_packet(recording)
    console.print(
        f"frame found at sample {frame.start:.2f}, carrier off by "
        f"{frame.carrier_offset * recording.sample_rate_hz:+.1f} Hz, SNR {packet.snr_db:.1f} dB"
    )
    return packet
