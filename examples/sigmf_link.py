"""Send a photo over a radio link as IQ recordings in SigMF files: send, record, receive.

The second step simulates the link. With real radios, one transmits `sent.sigmf-data`, and the other
records `received.sigmf-data` at the same sample rate and about the same frequency. If the recorder
writes metadata of its own, `lrisc receive --sent sent.sigmf-meta` takes the side information from
the recording that was sent.

    pip install 'lrisc-system[sigmf]'
    python examples/sigmf_link.py photo.jpg received.png
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lrisc_system import LRISC, SHIPPED, load_image, load_model, save_image
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.recording import record_packet, recover_packet
from lrisc_system.radio.sigmf import read_sigmf, write_sigmf


def main(system: LRISC, image: Tensor, folder: Path, *, snr_db: float = 10.0) -> Tensor:
    """Send an image (1, 3, H, W) through recordings in `folder`; return the received image."""
    packet = system.send(image, snr_db, cbr=0.04)
    recording = record_packet(packet, sample_rate_hz=1e6, center_frequency_hz=433.92e6)
    write_sigmf(recording, folder / "sent")
    overhead = len(recording.samples) - len(packet.symbols)
    print(f"{len(packet.symbols)} symbols, {overhead} of preamble and pilots")

    link = RadioLink(gain=0.02, phase=2.5, carrier_offset=350 / 1e6, delay=1234.56)
    samples = link.record(recording.samples, snr_db, generator=torch.Generator().manual_seed(0))
    write_sigmf(replace(recording, samples=samples), folder / "received")

    received, frame = recover_packet(read_sigmf(folder / "received"))
    offset_hz = frame.carrier_offset * recording.sample_rate_hz
    print(f"found at sample {frame.start:.2f}, {offset_hz:+.1f} Hz off, {frame.snr_db:.1f} dB")
    return system.receive(received, received.snr_db)


if __name__ == "__main__":
    photo, output = map(Path, sys.argv[1:])
    save_image(main(load_model(SHIPPED), load_image(photo), output.parent), output)
