"""The known symbols of a frame, in groups, and what they say about the channel's taps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrisc_system.radio.framing import PREAMBLE_LENGTH, FrameLayout, preamble
from lrisc_system.radio.tracking import Array, Groups, Reals

MARGIN = 64  # symbols before and behind the frame that are sampled, too
_GROUP = 25  # symbols; ten groups make the preamble, a run of pilots is one
_REACH = 8  # symbols; a pulse is differentiated over as many neighbours


@dataclass(frozen=True, eq=False)
class KnownSymbols:
    """Preamble and pilots before the last of K cells, T groups of at most W symbols.

    Attributes:
        symbols: of the frame with MARGIN at either end, zero where unknown.
        unknown: 1 where a cell lies, 0 elsewhere.
        positions: of the groups' symbols in the frame, `(T, W)`.
        used: 0 in the places of `positions` that pad a short group, `(T, W)`.
    """

    symbols: Array
    unknown: Reals
    positions: NDArray[np.int64]
    used: Reals

    @staticmethod
    def of(layout: FrameLayout, cells: int) -> KnownSymbols:
        """The known symbols of the frame of so many cells."""
        length = layout.length(cells)
        symbols = np.zeros(length + 2 * MARGIN, dtype=complex)
        unknown = np.ones(length + 2 * MARGIN)
        unknown[:MARGIN] = 0  # silence before the frame
        pilots = layout.pilot_positions(cells)
        known = np.concatenate([np.arange(PREAMBLE_LENGTH), pilots.numpy().ravel()])
        symbols[MARGIN + known] = np.concatenate(
            [preamble().numpy(), layout.pilot_symbols(len(pilots)).numpy().ravel()]
        )
        unknown[MARGIN + known] = 0
        width = max(_GROUP, layout.pilots)
        first = np.arange(0, PREAMBLE_LENGTH, _GROUP)
        counts = [_GROUP] * len(first) + [layout.pilots] * len(pilots)
        starts = np.concatenate([first, pilots[:, 0].numpy()])
        index = np.arange(width)
        used = (index < np.array(counts)[:, None]).astype(float)
        positions = starts[:, None] + index * used.astype(np.int64)
        return KnownSymbols(symbols, unknown, positions, used)

    @property
    def times(self) -> Reals:
        """Middles of the groups, in symbols, `(T,)`."""
        return (self.positions * self.used).sum(1) / self.used.sum(1)

    def received(self, samples: Array) -> Array:
        """The samples of the groups, `(T, W)`, of samples that begin MARGIN before the frame."""
        return samples[MARGIN + self.positions]

    def behind(self, delays: NDArray[np.int64]) -> Array:
        """The symbol that each path of such delay brings, zero if unknown, `(T, W, A)`."""
        return self.symbols[MARGIN + self.positions[..., None] - delays]

    def derivative(self, delays: NDArray[np.int64]) -> Array:
        """Its derivative in time, per symbol, as far as the neighbours are known, `(T, W, A)`."""
        steps = np.arange(1, _REACH + 1)
        weights = (-1.0) ** steps / steps  # of sinc at n: (-1)^n / n
        neighbours = np.concatenate([steps, -steps])
        centres = MARGIN + self.positions[..., None] - delays
        return self.symbols[centres[..., None] - neighbours] @ np.concatenate([weights, -weights])

    def noise(self, delays: NDArray[np.int64], taps: Array, noise_power: float) -> Reals:
        """Noise with what unknown cells of unit power add through the taps, `(T, W)`."""
        unknown = self.unknown[MARGIN + self.positions[..., None] - delays]
        return noise_power + unknown @ (np.abs(taps) ** 2)

    def groups(self, X: Array, received: Array, noise: Reals) -> Groups:
        """Reduce received samples `(T, W)` to what they say on A taps behind X `(T, W, A)`."""
        weighted = X.conj() * (self.used / noise)[..., None]
        return Groups(
            times=self.times,
            information=np.einsum("twa,twb->tab", weighted, X),
            projection=np.einsum("twa,tw->ta", weighted, received),
        )
