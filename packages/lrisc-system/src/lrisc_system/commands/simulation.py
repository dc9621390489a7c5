"""The steps of a simulated transmission, on any device: send, cross the channel, receive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Generator, Tensor

from lrisc_system.data.images import load_image, load_mask
from lrisc_system.decoders import takes
from lrisc_system.limits import MAX_PIXELS
from lrisc_system.link import cross_channel
from lrisc_system.packets.packet import Packet
from lrisc_system.radio.fading import Fading
from lrisc_system.system import LRISC


@dataclass(frozen=True)
class Source:
    """An image to send.

    Args:
        image: (1, 3, H, W) in [0, 1], on the CPU.
        saliency: (1, 1, H, W) in [0, 1]; None leaves it to the model's detector.
    """

    image: Tensor
    saliency: Tensor | None


def load_source(photo: Path, mask: Path | None, *, max_pixels: int = MAX_PIXELS) -> Source:
    """Load an image file of at most `max_pixels`, and its saliency map if there is one."""
    image = load_image(photo, max_pixels=max_pixels)
    size = (image.shape[-2], image.shape[-1])
    return Source(image, None if mask is None else load_mask(mask, size, max_pixels=max_pixels))


def send_source(
    system: LRISC,
    source: Source,
    *,
    snr_db: float,
    eta: float | None,
    cbr: float | None,
    alpha: float | None,
    channel_uses: Callable[[Packet], int] | None = None,
) -> Packet:
    """Send an image by a model on any device; the options are those of `LRISC.send`."""
    device = device_of(system)
    saliency = None if source.saliency is None else source.saliency.to(device)
    image = source.image.to(device)
    return system.send(
        image,
        snr_db,
        eta=eta,
        cbr=cbr,
        alpha=alpha,
        saliency=saliency,
        channel_uses=channel_uses,
    )


def cross(packet: Packet, snr_db: float, *, fading: Fading, seed: int) -> Packet:
    """Send a packet through a channel, and write the SNR into it."""
    noise = Generator().manual_seed(seed)
    received = cross_channel(packet, snr_db, channel=fading.channel(), generator=noise)
    return replace(received, snr_db=snr_db)


def receive_packet(
    system: LRISC,
    packet: Packet,
    snr_db: float,
    *,
    steps: int | None,
    realism: float,
    realism_roi: float | None,
    seed: int,
) -> Tensor:
    """Receive a packet by a model on any device: the image (1, 3, H, W), on the CPU.

    On a terminal, several steps show a progress bar.
    """
    receive = partial(
        system.receive,
        packet,
        snr_db,
        generator=Generator(device_of(system)).manual_seed(seed),
        steps=steps,
        realism=realism,
        realism_roi=realism_roi,
    )
    if steps is None or steps < 2 or not takes(system.decoder, "callback"):
        return receive().cpu()
    with Progress(transient=True) as progress:
        bar = progress.add_task("Decoding", total=steps)
        image = receive(
            callback=lambda step, t, x_0: progress.update(bar, completed=step + 1),
        )
    return image.cpu()


def device_of(system: LRISC) -> torch.device:
    """Return the device of a model's parameters."""
    return next(system.parameters()).device
