"""What a radio sends around a packet's symbols, so that a receiver can find and equalise them.

    preamble 251 | 31 symbols, pilot | 31 symbols, pilot | ... | the last 1 to 31 symbols, pilot

One sample is one symbol. The preamble is a Zadoff-Chu sequence: it tells the delay and the carrier
offset. The pilots tell gain and phase all along the frame. All of them have unit power, and all of
them are channel uses.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PREAMBLE_LENGTH = 251
# Far from 1 and from the middle: a chirp of root 1 would mistake a carrier offset for a delay.
PREAMBLE_ROOT = 97
PILOT_SPACING = 32
PILOT_LENGTH = 127  # the pilots repeat after as many
PILOT_ROOT = 29


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


def preamble() -> Tensor:
    """The samples that every frame begins with, complex128 `(PREAMBLE_LENGTH,)`."""
    return zadoff_chu(PREAMBLE_LENGTH, root=PREAMBLE_ROOT)


@dataclass(frozen=True)
class FrameLayout:
    """Where things are in a frame of `length` samples.

    Attributes:
        is_known: `(length,)` bool, true for preamble and pilots.
        known: `(length,)` complex128, the preamble and the pilots, zero elsewhere.
    """

    is_known: Tensor
    known: Tensor

    @property
    def length(self) -> int:
        """Channel uses of the frame."""
        return len(self.is_known)

    @property
    def overhead(self) -> int:
        """Channel uses of the preamble and the pilots."""
        return int(self.is_known.sum())


def frame_layout(symbols: int) -> FrameLayout:
    """Lay out the frame of so many symbols.

    Raises:
        ValueError: for a negative number.
    """
    if symbols < 0:
        raise ValueError(f"expected a number of symbols, got {symbols}")
    pilots = math.ceil(symbols / (PILOT_SPACING - 1))
    length = PREAMBLE_LENGTH + symbols + pilots
    is_known = torch.zeros(length, dtype=torch.bool)
    is_known[:PREAMBLE_LENGTH] = True
    is_known[PREAMBLE_LENGTH + PILOT_SPACING - 1 :: PILOT_SPACING] = True
    is_known[-1] = True
    sequence = zadoff_chu(PILOT_LENGTH, root=PILOT_ROOT)
    known = torch.zeros(length, dtype=torch.complex128)
    known[is_known] = torch.cat(
        [
            preamble(),
            sequence[torch.arange(pilots) % PILOT_LENGTH],
        ]
    )
    return FrameLayout(is_known=is_known, known=known)


def build_frame(symbols: Tensor) -> Tensor:
    """Put preamble and pilots around symbols: `(K,)` complex -> `(length,)` complex64."""
    layout = frame_layout(len(symbols))
    frame = layout.known.clone()
    frame[~layout.is_known] = symbols.to(frame.dtype)
    return frame.to(torch.complex64)
