"""What analog models of fixed bandwidth have in common: symbols, their cost, and the link."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from jscc_ratetoken import AWGN, Channel
from lrisc_system.capacity import uses_at_capacity
from lrisc_system.config import STRIDE
from lrisc_system.link import Arrival, OnCPU, OutOfReachError

PATCH = STRIDE  # pixels a side of what one token stands for
TOLERANCE = 0.05  # of the bandwidth that a link is asked for


@dataclass(frozen=True)
class AnalogSignal:
    """What crosses the channel: symbols `(B, K)` complex, and one byte of gain an image, `(B,)`."""

    symbols: Tensor
    gain_code: Tensor


def analog_cbr(image_size: tuple[int, int], *, reals_per_token: int, snr_db: float) -> float:
    """Count channel uses over 3 H W: two reals to a symbol, and the gain's byte at capacity.

    Args:
        image_size: (H, W).
        reals_per_token: real numbers sent for every 16 x 16 pixels.
        snr_db: of the channel.
    """
    height, width = image_size
    tokens = math.ceil(height / PATCH) * math.ceil(width / PATCH)
    uses = tokens * reals_per_token // 2 + uses_at_capacity(8, snr_db=snr_db)
    return uses / (3 * height * width)


class AnalogModel(ABC):
    """What `LinearLink` and `DeepJSCC` have in common."""

    @abstractmethod
    def send(self, image: Tensor) -> AnalogSignal:
        """Turn images (B, 3, H, W) in [0, 1], of any size, into symbols of unit mean power."""

    @abstractmethod
    def receive(
        self, signal: AnalogSignal, snr_db: Tensor, *, image_size: tuple[int, int]
    ) -> Tensor:
        """Turn the symbols that arrived at snr_db (B,) into images (B, 3, *image_size)."""

    @abstractmethod
    def cbr(self, image_size: tuple[int, int], *, snr_db: float) -> float:
        """Tell the bandwidth that an image (H, W) takes, side information included."""

    def transmit(
        self,
        image: Tensor,
        snr_db: Tensor,
        *,
        channel: Channel | None = None,
        generator: Generator | None = None,
    ) -> Tensor:
        """Send images over a channel and receive them.

        Args:
            image: (B, 3, H, W) in [0, 1].
            snr_db: (B,).
            channel: of the link; AWGN by default.
            generator: of fading and noise.

        Returns:
            (B, 3, H, W) in [0, 1].
        """
        channel = AWGN() if channel is None else channel
        sent = self.send(image)
        received = channel(sent.symbols, snr_db, generator=generator)
        size = (image.shape[-2], image.shape[-1])
        return self.receive(AnalogSignal(received, sent.gain_code), snr_db, image_size=size)


class AnalogLink:
    """Send images by an analog model, at its one bandwidth.

    Args:
        model: in evaluation mode.
        channel: of the link; AWGN by default.
    """

    def __init__(self, model: AnalogModel, *, channel: Channel | None = None) -> None:
        self.model = model
        self.channel = OnCPU(AWGN() if channel is None else channel)

    def transmit(
        self,
        image: Tensor,
        snr_db: float,
        *,
        cbr: float | None,
        saliency: Tensor,
        generator: Generator,
    ) -> Arrival:
        """Send one image.

        Args:
            image: (1, 3, H, W) in [0, 1], any size.
            snr_db: mean SNR of the channel in dB.
            cbr: bandwidth that is wanted; None for the model's own, whatever it is.
            saliency: is not looked at.
            generator: of fading and noise, on the CPU.

        The sides are padded to multiples of 16 and the padding is sent too. The CBR of the result
        counts it, so it may be higher than `cbr` where the sides are no such multiples.

        Raises:
            OutOfReachError: the bandwidth of the model is more than 5% away from `cbr`, with the
                padding and without it.
        """
        height, width = image.shape[-2:]
        used = self.model.cbr((height, width), snr_db=snr_db)
        padded = (math.ceil(height / PATCH) * PATCH, math.ceil(width / PATCH) * PATCH)
        nominal = self.model.cbr(padded, snr_db=snr_db)
        if cbr is not None and min(abs(x / cbr - 1) for x in (used, nominal)) > TOLERANCE:
            raise OutOfReachError(
                f"expected a model within {TOLERANCE:.0%} of CBR {cbr:.4f}, the nearest has "
                f"{used:.4f}"
            )
        snr = torch.tensor([snr_db], device=image.device)
        received = self.model.transmit(image, snr, channel=self.channel, generator=generator)
        return Arrival(received, used)
