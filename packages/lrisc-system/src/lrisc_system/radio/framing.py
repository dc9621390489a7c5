"""What a single-carrier frame holds besides its cells, so that a receiver can find and equalise it.

    up chirp 125 | down chirp 125 | 248 cells | 8 pilots | 248 cells | 8 pilots | ... | last cells

A cell is one complex symbol of header, side information or image. The chirps are a Zadoff-Chu
sequence of root 1 and its conjugate. A carrier offset moves the correlation peak of the one earlier
and of the other later, so that both together tell delay and carrier offset, whatever their size.
The pilots come in runs, as neighbours of known symbols tell delay and multipath, too. No pilots
follow the last cells: a receiver that knows only that there are K cells knows where pilots stand.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lrisc_system.radio.resampling import shift_frequency

CHIRP_LENGTH = 125
PREAMBLE_LENGTH = 2 * CHIRP_LENGTH
PILOT_SEQUENCE_LENGTH = 127  # the pilots repeat after as many
PILOT_SEQUENCE_ROOT = 29


def zadoff_chu(length: int, *, root: int) -> Tensor:
    """Zadoff-Chu sequence `exp(-i pi root n (n + 1) / length)`, complex128 `(length,)`.

    Source: Chu 1972. Unit amplitude, and no correlation with its own cyclic shifts.

    Args:
        length: odd.
        root: in 1..length - 1, without a factor in common with `length`.
    """
    if length < 1 or length % 2 == 0:
        raise ValueError(f"expected an odd length, got {length}")
    if not 1 <= root < length or math.gcd(root, length) != 1:
        raise ValueError(f"expected a root in 1..{length - 1} prime to {length}, got {root}")
    n = torch.arange(length)
    turns = (root * n * (n + 1) % (2 * length)).double() / (2 * length)  # whole turns cut off
    return torch.polar(torch.ones(length, dtype=torch.float64), -2 * math.pi * turns)


def chirp() -> Tensor:
    """Zadoff-Chu sequence of root 1 that sweeps the band once, complex128 `(CHIRP_LENGTH,)`.

    Its frequency falls from 1/2 to -1/2 cycle per symbol. As it crosses the edge of the band only
    at its ends, a carrier offset moves it like a delay, by whole symbols and by fractions.
    """
    sequence = zadoff_chu(CHIRP_LENGTH, root=1)
    return shift_frequency(sequence, (CHIRP_LENGTH + 1) / (2 * CHIRP_LENGTH))


def preamble() -> Tensor:
    """The symbols that every frame begins with, complex128 `(PREAMBLE_LENGTH,)`."""
    return torch.cat([chirp().conj(), chirp()])


@dataclass(frozen=True)
class FrameLayout:
    """Where the cells of a frame lie.

    Args:
        pilots: symbols in a run of pilots, at least 1.
        period: symbols from a run of pilots to the next, more than `pilots`.
    """

    pilots: int = 8
    period: int = 256

    def __post_init__(self) -> None:
        if not 1 <= self.pilots < self.period:
            raise ValueError(f"expected 1 <= pilots < period, got {self.pilots} and {self.period}")

    @property
    def run(self) -> int:
        """Cells between two runs of pilots."""
        return self.period - self.pilots

    def length(self, cells: int) -> int:
        """Symbols of a frame of so many cells, preamble and pilots included."""
        if cells < 0:
            raise ValueError(f"expected a number of cells, got {cells}")
        return PREAMBLE_LENGTH + cells + self.pilots * self.pilot_runs(cells)

    def pilot_runs(self, cells: int) -> int:
        """Runs of pilots in a frame of so many cells."""
        return max(math.ceil(cells / self.run) - 1, 0)

    def cell_positions(self, first: int, count: int) -> Tensor:
        """Positions in the frame of cells first..first + count, `(count,)`."""
        cells = torch.arange(first, first + count)
        return PREAMBLE_LENGTH + cells + self.pilots * (cells // self.run)

    def pilot_positions(self, cells: int) -> Tensor:
        """Positions in the frame of its runs of pilots, `(runs, pilots)`."""
        runs = torch.arange(self.pilot_runs(cells))
        starts = PREAMBLE_LENGTH + self.run + self.period * runs
        return starts[:, None] + torch.arange(self.pilots)

    def pilot_symbols(self, runs: int) -> Tensor:
        """The pilots of the first runs, complex128 `(runs, pilots)`."""
        sequence = zadoff_chu(PILOT_SEQUENCE_LENGTH, root=PILOT_SEQUENCE_ROOT)
        index = torch.arange(runs * self.pilots) % PILOT_SEQUENCE_LENGTH
        return sequence[index].view(runs, self.pilots)

    def build(self, cells: Tensor) -> Tensor:
        """Put preamble and pilots around cells: `(K,)` complex -> `(length,)` complex128."""
        frame = torch.zeros(self.length(len(cells)), dtype=torch.complex128)
        frame[:PREAMBLE_LENGTH] = preamble()
        positions = self.pilot_positions(len(cells))
        frame[positions] = self.pilot_symbols(len(positions))
        frame[self.cell_positions(0, len(cells))] = cells.to(frame.dtype)
        return frame
