"""The rate indices of the tokens as bytes: what the receiver must know to read the symbols.

The rates follow the picture, so a token's left and upper neighbours say much about it. Its
frequencies are a two-sided geometric around their average, wider where they disagree, that gives
way to counts: of what came after this average, and after this very pair of neighbours, in this
image so far. Integers alone, so that every device reads the same.
"""

from functools import cache

import torch
from torch import Tensor

from lrisc_system.packets.packet import PacketError
from lrisc_system.packets.range_coder import MAX_TOTAL, RangeDecoder, RangeEncoder

MAX_LEVELS = 256
# Tuned on activity maps of photos, Kodak's among them.
# Decay per half step, in percent, by the neighbours' spread.
DECAY_PERCENT = (49, 61, 70, 78)
SPREAD_BOUNDS = (1, 3, 6)
PEAK = 4096  # the prior's weight at its centre
FLOOR = 20  # and far away from it
PRIOR_COUNT = 20  # how many observations the prior is worth, and then the average's counts
TOTAL = 1 << 14  # frequencies before the counts of the pair


def encode_rates(rate_index: Tensor, *, levels: int) -> bytes:
    """Code a grid of rate indices.

    Args:
        rate_index: `(h, w)`, integers in `0 .. levels - 1`.
        levels: rates to choose from, the q of V in Eq. (6), 1 to 256.

    Raises:
        ValueError: a grid of another shape, or indices outside the rates.
    """
    _require_levels(levels)
    if rate_index.ndim != 2 or rate_index.numel() == 0 or rate_index.is_floating_point():
        raise ValueError(
            f"expected integers (h, w), got {tuple(rate_index.shape)} {rate_index.dtype}"
        )
    low, high = int(rate_index.min()), int(rate_index.max())
    if low < 0 or high >= levels:
        raise ValueError(f"expected rate indices in 0..{levels - 1}, got {low}..{high}")
    if levels == 1:
        return b""
    encoder = RangeEncoder()
    model = _Model(levels)
    rows: list[list[int]] = rate_index.tolist()
    above: list[int] | None = None
    for row in rows:
        for j, value in enumerate(row):
            encoder.encode(value, model.predict(row, above, j))
            model.learn(value)
        above = row
    return encoder.finish()


def decode_rates(stream: bytes, *, size: tuple[int, int], levels: int) -> Tensor:
    """Read what `encode_rates` wrote.

    Args:
        stream: its bytes. The packet's checksum guards them; of damage that it missed, only some
            is noticed here, but the indices are always within the rates.
        size: `(h, w)` of the grid.
        levels: as encoded.

    Returns:
        `(h, w)` int64.

    Raises:
        PacketError: the stream is longer than its grid can be.
        ValueError: an impossible size or number of levels.
    """
    _require_levels(levels)
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"expected a grid (h, w) of at least (1, 1), got {tuple(size)}")
    if levels == 1:
        if stream:
            raise PacketError("damaged packet: rates where there is no choice")
        return torch.zeros(height, width, dtype=torch.int64)
    decoder = RangeDecoder(stream)
    model = _Model(levels)
    rows: list[list[int]] = []
    for _ in range(height):
        row: list[int] = []
        above = rows[-1] if rows else None
        for j in range(width):
            row.append(decoder.decode(model.predict(row, above, j)))
            model.learn(row[-1])
        rows.append(row)
    if decoder.unread_bytes:
        raise PacketError("damaged packet: more rates than the image has tokens")
    return torch.tensor(rows, dtype=torch.int64)


class _Model:
    """Frequencies of the next rate index from those before it."""

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self.by_average: dict[int, list[int]] = {}
        self.by_pair: dict[tuple[int, int], list[int]] = {}
        self.average: list[int] = []
        self.pair: list[int] = []

    def predict(self, row: list[int], above: list[int] | None, j: int) -> list[int]:
        """Frequencies of the index at column `j`, below `above` and right of `row[:j]`."""
        if above is None:
            left = top = row[j - 1] if j else self.levels // 2
            spread = 0 if j else SPREAD_BOUNDS[-1] + 1
        else:
            top = above[j]
            left, corner = (row[j - 1], above[j - 1]) if j else (top, top)
            right = above[j + 1] if j + 1 < len(above) else top
            spread = abs(left - corner) + abs(top - corner) + abs(top - right)
        blank = [0] * self.levels
        self.average = self.by_average.setdefault((left + top + 1) // 2, blank)
        self.pair = self.by_pair.setdefault((left, top), list(blank))
        return self._mixed(_prior(self.levels, left + top, sum(spread > b for b in SPREAD_BOUNDS)))

    def _mixed(self, prior: tuple[int, ...]) -> list[int]:
        """The prior, overruled by the average's counts, overruled by the pair's counts."""
        mass = sum(prior)
        weights = [p * PRIOR_COUNT + n * mass for p, n in zip(prior, self.average, strict=True)]
        scale = sum(weights)
        unit = TOTAL // PRIOR_COUNT
        return [w * TOTAL // scale + 1 + n * unit for w, n in zip(weights, self.pair, strict=True)]

    def learn(self, value: int) -> None:
        """Count the index that came."""
        self.average[value] += 1
        self.pair[value] += 1
        # The sum of the frequencies must stay below the coder's bound.
        if (sum(self.pair) + 1) * (TOTAL // PRIOR_COUNT) + TOTAL + self.levels > MAX_TOTAL:
            self.pair[:] = [n // 2 for n in self.pair]


@cache
def _prior(levels: int, twice_centre: int, spread: int) -> tuple[int, ...]:
    """A two-sided geometric around `twice_centre / 2`."""
    decay = DECAY_PERCENT[spread]
    distances = (abs(2 * level - twice_centre) for level in range(levels))
    return tuple(PEAK * decay**d // 100**d + FLOOR for d in distances)


def _require_levels(levels: int) -> None:
    if not 1 <= levels <= MAX_LEVELS:
        raise ValueError(f"expected 1 to {MAX_LEVELS} levels, got {levels}")
