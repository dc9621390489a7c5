"""Send a photo over a radio link as IQ recordings in SigMF files: send, record, receive.

The second step simulates the link. With real radios, one transmits `sent.sigmf-data`, and the other
records `received.sigmf-data` at the same sample rate and about the same frequency, with metadata of
its own.

    pip install 'lrisc-system[sigmf]'
    python examples/sigmf_link.py photo.jpg received.png
"""

import math
import sys
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from lrisc_system import LRISC, SHIPPED, load_image, load_model, save_image
from lrisc_system.radio import (
    Frame,
    MemorySamples,
    RadioLink,
    Recording,
    SingleCarrier,
    find_frames,
    frame_uses,
    read_sigmf,
    record_frames,
    write_sigmf,
)

SAMPLE_RATE_HZ = 1e6
WAVEFORM = SingleCarrier(oversampling=2)  # 500,000 symbols a second


def main(system: LRISC, image: Tensor, folder: Path, *, snr_db: float = 10.0) -> Tensor:
    """Send an image (1, 3, H, W) through recordings in `folder`; return the received image."""
    cost = partial(frame_uses, snr_db=snr_db, waveform=WAVEFORM)
    packet = system.send(image, snr_db, cbr=0.04, channel_uses=cost)
    frame = Frame.from_packet(packet, snr_db, waveform=WAVEFORM)
    recording = record_frames([frame], sample_rate_hz=SAMPLE_RATE_HZ, center_frequency_hz=433.92e6)
    write_sigmf(recording, folder / "sent")
    print(f"{len(packet.symbols)} symbols in a frame of {frame.channel_uses}")

    link = RadioLink(gain=0.02, phase=2.5, carrier_offset=350 / 1e6, delay=1234.56)
    generator = torch.Generator().manual_seed(0)
    # Noise fills the whole sample rate, of which the matched filter passes half.
    sample_snr_db = snr_db - 10 * math.log10(WAVEFORM.oversampling)
    samples = link.record(frame.samples(), sample_snr_db, power=1.0, generator=generator)
    write_sigmf(Recording(MemorySamples(samples), SAMPLE_RATE_HZ), folder / "received")

    (found,) = find_frames(read_sigmf(folder / "received").samples, waveform=WAVEFORM)
    offset_hz = found.frame.reception.carrier_offset * SAMPLE_RATE_HZ
    print(f"found at sample {found.start:.2f}, {offset_hz:+.1f} Hz off")
    received = found.packet()
    return system.receive(received, received.snr_db)


if __name__ == "__main__":
    photo, output = map(Path, sys.argv[1:])
    save_image(main(load_model(SHIPPED), load_image(photo), output.parent), output)
