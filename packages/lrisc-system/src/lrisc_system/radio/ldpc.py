"""Quasi-cyclic LDPC codes of IEEE 802.11, and their encoding by back substitution."""

from fractions import Fraction
from functools import cache

import numpy as np

from lrisc_system.radio.ldpc_matrices import (
    BASE_COLUMNS,
    BASE_MATRICES,
    CODE_LENGTHS,
    CODE_RATES,
    NO_BLOCK,
)


class LDPCCode:
    """A systematic code of 802.11's structure: information blocks, then parity blocks.

    The first parity column holds three shifts, equal in its first and last row and 0 in the
    middle; the others form a staircase of two. So the sum of all rows of the matrix gives the
    first parity block, and each row gives the next one.

    Args:
        base: shifts of the blocks, -1 for a block of zeros, (rows, columns).
        lifting: side of a block in bits.

    Raises:
        ValueError: `base` has not this structure.
    """

    def __init__(self, base: np.ndarray, *, lifting: int) -> None:
        rows, columns = base.shape
        if not _is_encodable(base, lifting):
            raise ValueError(
                f"expected shifts below {lifting} with a staircase of parity blocks, got {base}"
            )
        self.base = base
        self.lifting = lifting
        self.length = columns * lifting
        self.dimension = (columns - rows) * lifting

    def encode(self, information: np.ndarray) -> np.ndarray:
        """Append the parity bits to bits 0 and 1, (B, dimension) -> (B, length) uint8."""
        if information.ndim != 2 or information.shape[1] != self.dimension:
            raise ValueError(f"expected (B, {self.dimension}) bits, got {information.shape}")
        rows, columns = self.base.shape
        blocks = information.astype(np.uint8).reshape(len(information), -1, self.lifting)
        sums = np.zeros((rows, len(blocks), self.lifting), dtype=np.uint8)
        for row, column in np.argwhere(self.base[:, : columns - rows] != NO_BLOCK):
            sums[row] ^= np.roll(blocks[:, column], -self.base[row, column], axis=-1)
        first = np.bitwise_xor.reduce(sums, axis=0)
        parity = [first]
        carried = np.zeros_like(first)
        for row in range(rows - 1):
            carried = carried ^ sums[row]
            shift = self.base[row, columns - rows]
            if shift != NO_BLOCK:
                carried = carried ^ np.roll(first, -shift, axis=-1)
            parity.append(carried)
        parity_bits = np.stack(parity, axis=1).reshape(len(blocks), -1)
        return np.concatenate([information.astype(np.uint8), parity_bits], axis=1)

    def parity_check(self) -> np.ndarray:
        """The binary parity-check matrix, (length - dimension, length) uint8."""
        identity = np.eye(self.lifting, dtype=np.uint8)
        zero = np.zeros_like(identity)
        return np.block(
            [
                [zero if shift == NO_BLOCK else np.roll(identity, shift, axis=1) for shift in row]
                for row in self.base
            ]
        )


@cache
def wifi_code(rate: Fraction, *, length: int = 1944) -> LDPCCode:
    """The code of IEEE 802.11 with rate 1/2, 2/3, 3/4 or 5/6 and 648, 1296 or 1944 bits."""
    if (rate, length) not in BASE_MATRICES:
        rates, lengths = (", ".join(map(str, known)) for known in (CODE_RATES, CODE_LENGTHS))
        raise ValueError(
            f"expected a code rate of {rates} and {lengths} bits, got {rate} and {length}"
        )
    return LDPCCode(BASE_MATRICES[rate, length], lifting=length // BASE_COLUMNS)


def _is_encodable(base: np.ndarray, lifting: int) -> bool:
    """Whether the parity part is three shifts and a staircase."""
    rows, columns = base.shape
    if rows < 3 or columns <= rows or base.min() < NO_BLOCK or base.max() >= lifting:
        return False
    head, staircase = base[:, columns - rows], base[:, columns - rows + 1 :]
    steps = np.full((rows, rows - 1), NO_BLOCK)
    for column in range(rows - 1):
        steps[column : column + 2, column] = 0
    middle = head[1:-1]
    return bool(
        np.array_equal(staircase, steps)
        and head[0] == head[-1] != NO_BLOCK
        and (middle == 0).sum() == 1
        and (middle == NO_BLOCK).sum() == rows - 3
    )
