"""What a direct-conversion receiver adds: a DC offset, and the image by its IQ imbalance."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lrisc_system.radio.estimation import Paths
from lrisc_system.radio.known_symbols import KnownSymbols
from lrisc_system.radio.resampling import SymbolClock, root_raised_cosine
from lrisc_system.radio.tracking import Array, TapTrack

SIGNIFICANT = 8.0  # times the variance of its estimate


@dataclass(frozen=True)
class FrontEnd:
    """A recording `r = y + image conj(y) + dc` of the signal y.

    Args:
        image: complex gain of the image.
        dc: complex offset.
    """

    image: complex = 0
    dc: complex = 0

    def undo(self, recording: Tensor) -> Tensor:
        """Undo it, up to a complex gain."""
        clean = recording - self.dc
        return clean - self.image * clean.conj() if self.image else clean


def measure_front_end(
    known: KnownSymbols, samples: Array, track: TapTrack, paths: Paths, clock: SymbolClock
) -> FrontEnd:
    """Fit image and DC offset to what the paths leave unexplained; zero where within the noise.

    Args:
        known: symbols of the frame.
        samples: of the frame, one per symbol.
        track: taps of the paths.
        paths: their delays and the noise power.
        clock: that the samples were taken with.
    """
    signal = np.einsum("twa,ta->tw", known.behind(paths.delays), track.taps)
    error = known.received(samples) - signal
    noise = known.noise(paths.delays, paths.taps, paths.noise_power)
    weights = known.used / noise
    # The image and the offset do not turn with the carrier offset that the samples were freed of.
    positions = clock.start + clock.oversampling * known.positions
    turn = np.exp(-2j * np.pi * clock.carrier_offset * positions)
    dc_gain = 1.0
    if clock.oversampling > 1:
        offset = torch.tensor(clock.carrier_offset * clock.oversampling)
        dc_gain = float(root_raised_cosine(offset, rolloff=clock.rolloff))
    X = np.stack([signal.conj() * turn**2, dc_gain * turn], axis=-1)
    weighted = X.conj() * weights[..., None]
    information = np.einsum("twa,twb->ab", weighted, X) + 1e-9 * weights.sum() * np.eye(2)
    inverse = np.linalg.inv(information)
    fit = inverse @ np.einsum("twa,tw->a", weighted, error)
    image, dc = (
        complex(value) if abs(value) > math.sqrt(SIGNIFICANT * variance) else 0j
        for value, variance in zip(fit, np.diag(inverse).real, strict=True)
    )
    return FrontEnd(image=image, dc=dc)
