"""Send a packet file through a channel of Sionna, in an environment of its own.

Sionna needs numpy 2 and CompressAI needs numpy 1, so the two cannot share an environment. Each has
its own, and they exchange a packet file:

    python -m venv sionna && sionna/bin/pip install sionna-no-rt

    lrisc send photo.jpg sent.lrisc --snr-db 10
    sionna/bin/python examples/sionna_channel.py sent.lrisc received.lrisc --snr-db 10
    lrisc receive received.lrisc received.png

This script imports numpy and, inside one function, Sionna, but nothing of LRISC. `split_packet`
parses the packet file; `lrisc_system.packets.packet` describes its format. Any function from
complex symbols (K,) and an SNR to symbols (K,) can replace `fading`.
"""

import argparse
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

Channel = Callable[[np.ndarray, float], np.ndarray]  # symbols (K,) complex64, SNR in dB -> symbols
FIXED_BYTES = 8  # "LR", version, fingerprint, gain code
TRAILER_BYTES = 12  # SNR, checksum


def split_packet(data: bytes) -> tuple[bytes, np.ndarray]:
    """Split a packet file into its side information, which stays the same, and its symbols (K,)."""
    if data[:3] != b"LR\x01":
        raise ValueError("expected an LRISC packet of version 1")
    position = FIXED_BYTES
    for _ in range(2):  # height and width
        _, position = read_number(data, position)
    for _ in range(2):  # the rates and z
        length, position = read_number(data, position)
        position += length
    position += 4  # checksum of the side information
    symbols = np.frombuffer(data[position:-TRAILER_BYTES], dtype="<c8")
    return data[:position], symbols


def join_packet(side: bytes, symbols: np.ndarray, snr_db: float) -> bytes:
    """Write a packet file with the received symbols and the receiver's SNR."""
    payload = symbols.astype("<c8").tobytes()
    trailer = struct.pack("<d", snr_db)
    return side + payload + trailer + struct.pack("<I", zlib.crc32(payload + trailer))


def read_number(data: bytes, position: int) -> tuple[int, int]:
    """Read base-128 digits, lowest first, the top bit set on all but the last: (value, end)."""
    value, shift = 0, 0
    while data[position] & 128:
        value |= (data[position] & 127) << shift
        position, shift = position + 1, shift + 7
    return value | data[position] << shift, position + 1


def fading(symbols: np.ndarray, snr_db: float) -> np.ndarray:
    """Apply Rayleigh fading per symbol by Sionna; the receiver knows it and equalises."""
    import torch
    from sionna.phy.channel import FlatFadingChannel

    channel = FlatFadingChannel(num_tx_ant=1, num_rx_ant=1, return_channel=True)
    noise_power = 10 ** (-snr_db / 10)
    sent = torch.from_numpy(symbols.copy())[:, None]  # (K, 1): a batch of K uses, one antenna
    received, h = channel(sent, torch.tensor(noise_power))
    received, h = received[:, 0].cpu().numpy(), h[:, 0, 0].cpu().numpy()
    return h.conj() * received / (np.abs(h) ** 2 + noise_power)


def main(sent: Path, received: Path, *, snr_db: float, channel: Channel = fading) -> None:
    """Read a packet file, send its symbols through a channel, write a packet file."""
    side, symbols = split_packet(sent.read_bytes())
    received.write_bytes(join_packet(side, channel(symbols, snr_db), snr_db))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sent", type=Path)
    parser.add_argument("received", type=Path)
    parser.add_argument("--snr-db", type=float, default=10.0)
    main(**vars(parser.parse_args()))
