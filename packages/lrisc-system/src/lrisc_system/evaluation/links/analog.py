"""Analogue links of fixed bandwidth, one model for each, as one of the links that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

from jscc_ratetoken import Channel
from lrisc_system.evaluation.links.link import TOLERANCE, Arrival, OnCPU, OutOfReachError


class AnalogModel(Protocol):
    """What `LinearLink` and `DeepJSCC` have in common."""

    def transmit(
        self,
        image: Tensor,
        snr_db: Tensor,
        *,
        channel: Channel | None = None,
        generator: Generator | None = None,
    ) -> Tensor:
        """Send images (B, 3, H, W) in [0, 1] at snr_db (B,): what arrives."""
        ...

    def cbr(self, image_size: tuple[int, int], *, snr_db: float) -> float:
        """Tell the bandwidth that an image (H, W) takes, side information included."""
        ...


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
        self.models, self.channel, self.identity = models, OnCPU(channel), identity

    def transmit(
        self, image: Tensor, snr_db: float, *, cbr: float, saliency: Tensor, generator: Generator
    ) -> Arrival:
        """Send one image by the model whose bandwidth is nearest to `cbr`.

        Raises:
            OutOfReachError: the nearest is more than 5% away.
        """
        size = (image.shape[-2], image.shape[-1])
        model, used = self._nearest(size, cbr=cbr, snr_db=snr_db)
        if abs(used / cbr - 1) > TOLERANCE:
            raise OutOfReachError(
                f"expected a model within {TOLERANCE:.0%} of CBR {cbr:.4f}, the nearest has "
                f"{used:.4f}"
            )
        snr = torch.tensor([snr_db], device=image.device)
        received = model.transmit(image, snr, channel=self.channel, generator=generator)
        return Arrival(received, used)

    def nearest_cbr(self, image_size: tuple[int, int], *, cbr: float, snr_db: float) -> float:
        """Give the bandwidth of the model that comes nearest."""
        return self._nearest(image_size, cbr=cbr, snr_db=snr_db)[1]

    def _nearest(
        self, image_size: tuple[int, int], *, cbr: float, snr_db: float
    ) -> tuple[AnalogModel, float]:
        pairs = [(model, model.cbr(image_size, snr_db=snr_db)) for model in self.models]
        return min(pairs, key=lambda pair: abs(pair[1] - cbr))
