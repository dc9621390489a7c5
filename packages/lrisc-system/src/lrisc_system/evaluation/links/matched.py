"""A link at the bandwidth that another link takes, for a comparison at equal CBR."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Generator, Tensor

from lrisc_system.evaluation.links.link import ComparedLink
from lrisc_system.link import Arrival, own_bandwidth_missing


class MatchedLink:
    """Send every image at the CBR that another link takes for an image of this size.

    A link of fixed bandwidth pads the sides of an image to multiples of 16, so that it takes more
    than its nominal CBR: 8% more at 481 x 321.

    Args:
        link: sends the images.
        reference: gives the bandwidth.
    """

    def __init__(self, link: ComparedLink, *, reference: ComparedLink) -> None:
        self.link, self.reference = link, reference
        self.identity: Mapping[str, object] = {
            "link": dict(link.identity),
            "reference": dict(reference.identity),
        }

    def transmit(
        self,
        image: Tensor,
        snr_db: float,
        *,
        cbr: float | None,
        saliency: Tensor,
        generator: Generator,
    ) -> Arrival:
        """Send one image at the bandwidth of the reference that is nearest to `cbr`.

        Raises:
            OutOfReachError: if `cbr` is None, or `link` cannot serve the bandwidth.
        """
        if cbr is None:
            raise own_bandwidth_missing("a matched link")
        size = (image.shape[-2], image.shape[-1])
        matched = self.nearest_cbr(size, cbr=cbr, snr_db=snr_db)
        return self.link.transmit(
            image, snr_db, cbr=matched, saliency=saliency, generator=generator
        )

    def nearest_cbr(self, image_size: tuple[int, int], *, cbr: float, snr_db: float) -> float:
        """Return the bandwidth of the reference that is nearest to `cbr`."""
        return self.reference.nearest_cbr(image_size, cbr=cbr, snr_db=snr_db)
