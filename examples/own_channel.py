"""A channel is any callable `(symbols (B, K) complex, snr_db (B,), *, generator) -> symbols`.

This script has two channels of its own. One loses bursts of symbols. The other is a radio link of
unknown delay, carrier offset, gain and phase. Its receiver finds and equalises the frame with
preamble and pilots. `transmit`, `cross_channel` and `TrainingObjective` take both.

    python examples/own_channel.py photo.jpg
"""

import sys
from pathlib import Path

import torch
from torch import Generator, Tensor

from jscc_ratetoken import AWGN, Channel
from lrisc_system import LRISC, SHIPPED, load_image, load_model
from lrisc_system.metrics.quality import evaluate_pair
from lrisc_system.radio.impairments import RadioLink
from lrisc_system.radio.single_carrier import SingleCarrier


def bursty(symbols: Tensor, snr_db: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Add white Gaussian noise; set one run of 64 symbols in sixteen to zero."""
    runs = torch.rand(symbols.shape[0], symbols.shape[1] // 64 + 1, generator=generator) > 1 / 16
    kept = runs.repeat_interleave(64, dim=1)[:, : symbols.shape[1]]
    return AWGN()(symbols, snr_db, generator=generator) * kept


def unsynchronised(
    symbols: Tensor, snr_db: Tensor, *, generator: Generator | None = None
) -> Tensor:
    """Send every image as a frame between two radios without a common clock."""
    waveform = SingleCarrier()
    link = RadioLink(gain=0.03, phase=2.0, carrier_offset=0.02, delay=412.6)  # 20 kHz at 1 MS/s
    received = []
    for row, snr in zip(symbols, snr_db.tolist(), strict=True):
        recording = link.record(waveform.modulate(row), snr, generator=generator)
        received.append(waveform.receive(recording).cells(0, len(row)).symbols)
    return torch.stack(received)


CHANNELS: dict[str, Channel] = {"AWGN": AWGN(), "bursts": bursty, "radios": unsynchronised}


def main(system: LRISC, image: Tensor, *, snr_db: float = 10.0) -> dict[str, float]:
    """Send an image over each channel; return the PSNR by channel."""
    psnr_db = {}
    for name, channel in CHANNELS.items():
        generator = torch.Generator().manual_seed(0)
        received, _ = system.transmit(image, snr_db, channel=channel, cbr=0.04, generator=generator)
        psnr_db[name] = evaluate_pair(image, received).psnr
    return psnr_db


if __name__ == "__main__":
    for name, psnr_db in main(load_model(SHIPPED), load_image(Path(sys.argv[1]))).items():
        print(f"{name}: {psnr_db:.2f} dB")
