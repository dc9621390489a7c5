"""Analog links of fixed bandwidth, one model for each, as one of the links that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Generator, Tensor

from jscc_ratetoken import Channel
from lrisc_system.baselines.linear.analog import AnalogLink, AnalogModel
from lrisc_system.link import Arrival, own_bandwidth_missing


class AnalogLinks:
    """Serve every bandwidth by the model that comes nearest, if it is within 5%.

    Args:
        models: of several bandwidths, in evaluation mode.
        channel: of the link.
        identity: of the weights.

    Raises:
        ValueError: no models.
    """

    def __init__(
        self, models: Sequence[AnalogModel], *, channel: Channel, identity: Mapping[str, object]
    ) -> None:
        if not models:
            raise ValueError("expected models of at least one bandwidth, got none")
        self.models, self.channel, self.identity = models, channel, identity

    def transmit(
        self,
        image: Tensor,
        snr_db: float,
        *,
        cbr: float | None,
        saliency: Tensor,
        generator: Generator,
    ) -> Arrival:
        """Send one image by the model whose bandwidth is nearest to `cbr`.

        Raises:
            OutOfReachError: the nearest is more than 5% away, or `cbr` is None.
        """
        if cbr is None:
            raise own_bandwidth_missing("a choice of analog models")
        model = self._nearest((image.shape[-2], image.shape[-1]), cbr=cbr, snr_db=snr_db)[0]
        link = AnalogLink(model, channel=self.channel)
        return link.transmit(image, snr_db, cbr=cbr, saliency=saliency, generator=generator)

    def nearest_cbr(self, image_size: tuple[int, int], *, cbr: float, snr_db: float) -> float:
        """Give the bandwidth of the model that comes nearest."""
        return self._nearest(image_size, cbr=cbr, snr_db=snr_db)[1]

    def _nearest(
        self, image_size: tuple[int, int], *, cbr: float, snr_db: float
    ) -> tuple[AnalogModel, float]:
        pairs = [(model, model.cbr(image_size, snr_db=snr_db)) for model in self.models]
        return min(pairs, key=lambda pair: abs(pair[1] - cbr))
