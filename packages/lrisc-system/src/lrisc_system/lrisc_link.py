"""LRISC as a link."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from jscc_ratetoken import AWGN, Channel
from lrisc_system.decoders import takes_realism
from lrisc_system.link import Arrival, Link, OutOfReachError, cross_channel
from lrisc_system.packets.packet import Packet
from lrisc_system.packets.rate_control import BandwidthError
from lrisc_system.realism import check_realism
from lrisc_system.system import LRISC


class LRISCLink:
    """Send images by a trained LRISC, which serves any bandwidth above its side information.

    Args:
        system: in evaluation mode.
        channel: of the link; AWGN by default.
        identity: of the weights.
        alpha: weight of the background, Eq. (3); the model's by default.
        steps: of the image decoder; its own number by default.
        realism: of the images, in [0, 1].
        realism_roi: of their region of interest; `realism` by default.
    """

    def __init__(
        self,
        system: LRISC,
        *,
        channel: Channel | None = None,
        identity: Mapping[str, object] | None = None,
        alpha: float | None = None,
        steps: int | None = None,
        realism: float = 0.0,
        realism_roi: float | None = None,
    ) -> None:
        self.system = system
        self.channel = AWGN() if channel is None else channel
        self.alpha, self.steps = alpha, steps
        self.realism, self.realism_roi = realism, realism_roi
        asked = {"realism": realism, "realism_roi": realism_roi} if realism or realism_roi else {}
        self.identity = {**(identity or {}), "alpha": alpha, "steps": steps, **asked}

    def transmit(
        self,
        image: Tensor,
        snr_db: float,
        *,
        cbr: float | None,
        saliency: Tensor,
        generator: Generator,
    ) -> Arrival:
        """Send one image as one packet of at most the bandwidth `cbr`, or at the config's eta.

        Args:
            image: (1, 3, H, W) in [0, 1], any size.
            snr_db: mean SNR of the channel in dB.
            cbr: bandwidth, side information included; None for the eta of the config.
            saliency: (1, 1, H, W) in [0, 1].
            generator: of fading and noise, on the CPU; its seed makes the decoder's start too.

        Raises:
            OutOfReachError: the side information alone costs more.
        """
        try:
            packet = self.system.send(image, snr_db, cbr=cbr, alpha=self.alpha, saliency=saliency)
        except BandwidthError as error:
            raise OutOfReachError(str(error)) from error
        received = cross_channel(packet, snr_db, channel=self.channel, generator=generator)
        output = self.receive(received, snr_db, generator=generator, device=image.device)
        return Arrival(output, packet.cbr(snr_db))

    def receive(
        self, packet: Packet, snr_db: float, *, generator: Generator, device: torch.device
    ) -> Tensor:
        """Decode a received packet into an image (1, 3, H, W) in [0, 1].

        Args:
            packet: as it arrived.
            snr_db: of its symbols in dB.
            generator: its seed makes the decoder's start.
            device: of the model.
        """
        return self.system.receive(
            packet,
            snr_db,
            generator=Generator(device).manual_seed(generator.initial_seed()),
            steps=self.steps,
            realism=self.realism,
            realism_roi=self.realism_roi,
        )

    def nearest_cbr(self, image_size: tuple[int, int], *, cbr: float, snr_db: float) -> float:
        """Give the bandwidth itself."""
        return cbr


def with_realism(link: Link, *, realism: float, realism_roi: float | None) -> Link:
    """Ask a link for images of some realism; 0 leaves it as it is.

    Raises:
        ValueError: if a value is not in [0, 1], or the link is not that of an LRISC whose image
            decoder takes a realism.
    """
    check_realism(realism, realism_roi)
    if not realism and not realism_roi:
        return link
    if not isinstance(link, LRISCLink) or not takes_realism(link.system.decoder):
        raise ValueError("expected a model whose image decoder takes a realism, got one without")
    link.realism, link.realism_roi = realism, realism_roi
    return link
