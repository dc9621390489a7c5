"""Quasi-cyclic LDPC codes: encoding by back substitution, soft decoding by belief propagation."""

from fractions import Fraction
from functools import cache

import numpy as np

from lrisc_system.radio.ldpc_matrices import BASE_MATRICES, LIFTING, NO_BLOCK

ITERATIONS = 50
LARGEST_LLR = 30.0  # an error probability of 1e-13, for bits that are known


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


class LDPCDecoder:
    """Sum-product decoding of soft values, one block at a time.

    The C++ decoder of the `ldpc` package looks for the error pattern of a syndrome. It gets the
    syndrome of the hard decisions and the probability that each is wrong, and the error that it
    finds is added to them.

    Args:
        code: the code.
        iterations: after as many, a block whose parity checks still fail counts as lost.

    Raises:
        ImportError: the extra `separation` is not installed.
    """

    def __init__(self, code: LDPCCode, *, iterations: int = ITERATIONS) -> None:
        try:
            from ldpc.bp_decoder import BpDecoder
            from scipy.sparse import csr_matrix
        except ImportError as error:
            raise ImportError(
                "LDPC decoding needs ldpc: pip install 'lrisc-system[separation]'"
            ) from error
        self.code = code
        self._parity_check = csr_matrix(code.parity_check())
        self._decoder = BpDecoder(
            self._parity_check,
            error_rate=0.1,  # replaced for every block
            max_iter=iterations,
            bp_method="product_sum",
        )

    def decode(self, llr: np.ndarray) -> np.ndarray | None:
        """Return the information bits of one block, or nothing when its parity checks fail.

        Args:
            llr: `log p(bit = 0) - log p(bit = 1)` of each bit, (length,); 0 for a bit not sent.
        """
        if llr.shape != (self.code.length,):
            raise ValueError(f"expected ({self.code.length},) LLRs, got {llr.shape}")
        hard = (llr < 0).astype(np.uint8)
        syndrome = (self._parity_check @ hard % 2).astype(np.uint8)
        certainty = np.minimum(np.abs(llr.astype(np.float64)), LARGEST_LLR)
        self._decoder.update_channel_probs(1.0 / (1.0 + np.exp(certainty)))
        error = self._decoder.decode(syndrome)
        if not self._decoder.converge:
            return None
        return (hard ^ error)[: self.code.dimension]


@cache
def wifi_code(rate: Fraction) -> LDPCCode:
    """The 1944-bit code of IEEE 802.11 with rate 1/2, 2/3, 3/4 or 5/6."""
    if rate not in BASE_MATRICES:
        expected = ", ".join(map(str, BASE_MATRICES))
        raise ValueError(f"expected a code rate of {expected}, got {rate}")
    return LDPCCode(BASE_MATRICES[rate], lifting=LIFTING)


@cache
def wifi_decoder(rate: Fraction) -> LDPCDecoder:
    """The decoder of `wifi_code`; it holds the state of the block it works on."""
    return LDPCDecoder(wifi_code(rate))


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
