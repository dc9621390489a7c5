"""Packet files, with the line that commands print about them."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from lrisc_system.packets.packet import Packet, write_packet


def write_sent(packet: Packet, path: Path, *, snr_db: float, console: Console) -> None:
    """Write a packet of the sender, and print its cost.

    Args:
        packet: to write.
        path: of the file.
        snr_db: SNR at which the side information is charged.
        console: to print on.
    """
    height, width = packet.image_size
    cbr = packet.cbr(snr_db)
    console.print(
        f"{width} x {height}: {len(packet.symbols)} symbols and {packet.side_bits} bits of side "
        f"information, CBR {cbr:.4f} at {snr_db:g} dB"
    )
    write_packet(packet, path)
