"""LRISC as one of the links that are compared."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Generator, Tensor

from jscc_ratetoken import Channel
from lrisc_system.evaluation.links.link import Arrival, OutOfReachError
from lrisc_system.link import cross_channel
from lrisc_system.system import LRISC


class LRISCLink:
    """Send images by a trained LRISC, which serves any bandwidth above its side information.

    Args:
        system: in evaluation mode.
        channel: of the link.
        identity: of the weights.
        alpha: weight of the background, Eq. (3); the model's by default.
        steps: diffusion steps; the model's by default.
    """

    def __init__(
        self,
        system: LRISC,
        *,
        channel: Channel,
        identity: Mapping[str, object],
        alpha: float | None = None,
        steps: int | None = None,
    ) -> None:
        self.system, self.channel = system, channel
        self.alpha, self.steps = alpha, steps
        self.identity = {**identity, "alpha": alpha, "steps": steps}

    def transmit(
        self, image: Tensor, snr_db: float, *, cbr: float, saliency: Tensor, generator: Generator
    ) -> Arrival:
        """Send one image as one packet of at most the bandwidth `cbr`.

        Raises:
            OutOfReachError: the side information alone costs more.
        """
        try:
            packet = self.system.send(image, snr_db, cbr=cbr, alpha=self.alpha, saliency=saliency)
        except ValueError as error:  # all else that may be wrong, the settings have refused
            raise OutOfReachError(str(error)) from error
        received = cross_channel(packet, snr_db, channel=self.channel, generator=generator)
        start_noise = Generator(image.device).manual_seed(generator.initial_seed())
        output = self.system.receive(received, snr_db, generator=start_noise, steps=self.steps)
        return Arrival(output, packet.cbr(snr_db))

    def nearest_cbr(self, image_size: tuple[int, int], *, cbr: float, snr_db: float) -> float:
        """Give the bandwidth itself."""
        return cbr
