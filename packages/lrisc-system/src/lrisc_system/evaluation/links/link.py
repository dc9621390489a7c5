"""The protocol of a link in the comparison: it also identifies itself and its bandwidth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lrisc_system.link import Link


class UnavailableError(ValueError):
    """A link cannot be made here, although nothing is wrong; the message gives the reason."""


class ComparedLink(Link, Protocol):
    """A link whose results can be stored and continued."""

    @property
    def identity(self) -> Mapping[str, object]:
        """What its results depend on besides the image and the channel: weights, options."""
        ...

    def nearest_cbr(self, image_size: tuple[int, int], *, cbr: float, snr_db: float) -> float:
        """Give the bandwidth nearest to `cbr` that the link can be asked for.

        Args:
            image_size: (H, W).
            cbr: bandwidth.
            snr_db: of the channel.
        """
        ...
