"""Separate source and channel coding as links of the comparison: real and ideal codes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version

from torch import Generator, Tensor

from lrisc_system.baselines import (
    HEVCConfig,
    HEVCImage,
    Reception,
    SeparationLink,
    ideal_link,
)
from lrisc_system.evaluation.links.link import UnavailableError
from lrisc_system.link import Arrival, own_bandwidth_missing
from lrisc_system.radio.belief_propagation import ITERATIONS

RATE_CONTROL = "x265 CRF, continuous QP, adaptive quantisation 0.1, 99.5% of the budget"
PARTS = {"pillow_heif": "pillow-heif"}  # module -> distribution
DECODER = f"layered sum-product, {ITERATIONS} iterations"


class LDPCLink:
    """Send images by HEVC intra, an LDPC code and QAM.

    Args:
        config: of HEVC.
        link: over the channel; shared by all, for the loss of an MCS does not depend on HEVC.

    Raises:
        UnavailableError: the extra `separation` is not installed.
    """

    def __init__(self, config: HEVCConfig, *, link: SeparationLink) -> None:
        require_parts()
        self.config, self.link = config, link
        versions = {name: version(name) for name in PARTS.values()}
        self.identity = {**versions, "hevc": RATE_CONTROL, "ldpc": DECODER}

    def transmit(
        self,
        image: Tensor,
        snr_db: float,
        *,
        cbr: float | None,
        saliency: Tensor,
        generator: Generator,
    ) -> Arrival:
        """Send one image by the MCS of the highest expected PSNR.

        Raises:
            OutOfReachError: if `cbr` is None.
        """
        if cbr is None:
            raise own_bandwidth_missing("HEVC + LDPC")
        source = encodings(image, self.config)
        return _arrival(self.link.transmit(source, snr_db, cbr=cbr, generator=generator), image)

    def nearest_cbr(self, image_size: tuple[int, int], *, cbr: float, snr_db: float) -> float:
        """Give the bandwidth itself."""
        return cbr


class IdealLink:
    """Send images by HEVC intra and a code that reaches capacity: an upper bound.

    Args:
        config: of HEVC.
        capacity: SNR in dB -> bits per complex channel use.

    Raises:
        UnavailableError: the extra `separation` is not installed.
    """

    def __init__(self, config: HEVCConfig, *, capacity: Callable[[float], float]) -> None:
        require_parts()
        self.config, self.capacity = config, capacity
        self.identity = {"pillow-heif": version("pillow-heif"), "hevc": RATE_CONTROL}

    def transmit(
        self,
        image: Tensor,
        snr_db: float,
        *,
        cbr: float | None,
        saliency: Tensor,
        generator: Generator,
    ) -> Arrival:
        """Send as much of one image as the capacity carries.

        Raises:
            OutOfReachError: if `cbr` is None.
        """
        if cbr is None:
            raise own_bandwidth_missing("HEVC at capacity")
        source = encodings(image, self.config)
        return _arrival(ideal_link(source, cbr=cbr, capacity=self.capacity(snr_db)), image)

    def nearest_cbr(self, image_size: tuple[int, int], *, cbr: float, snr_db: float) -> float:
        """Give the bandwidth itself."""
        return cbr


def require_parts() -> None:
    """Check that what the extra `separation` brings is there.

    Raises:
        UnavailableError: naming the extra.
    """
    for module, name in PARTS.items():
        if importlib.util.find_spec(module) is None:
            raise UnavailableError(f"needs {name}: pip install 'lrisc-system[separation]'")


@lru_cache(maxsize=2)
def encodings(image: Tensor, config: HEVCConfig) -> HEVCImage:
    """Keep the encodings of the last image, in both chroma formats, for all links."""
    return HEVCImage(image.cpu(), config=config)


def _arrival(reception: Reception, image: Tensor) -> Arrival:
    return Arrival(reception.image.to(image.device), reception.cbr, reception.delivered)
