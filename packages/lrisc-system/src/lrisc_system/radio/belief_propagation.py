"""Soft decoding of quasi-cyclic LDPC codes, many blocks at once.

A layer is one row of the base matrix: `lifting` parity checks that share no bit. Each layer uses
what the layers before it found in the same iteration, which takes half as many iterations as
updating all checks at once.

Source: sum-product decoding by Gallager 1963; layers by Mansour and Shanbhag, "High-throughput
LDPC decoders", IEEE Trans. VLSI Systems 2003.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from lrisc_system.radio.ldpc import LDPCCode, wifi_code
from lrisc_system.radio.ldpc_matrices import NO_BLOCK

ITERATIONS = 50
LARGEST_LLR = 30.0  # an error probability of 1e-13, for bits that are known
_LARGEST_TANH = np.float32(1 - 2**-22)  # of half an LLR: the messages stay below 16
_SMALLEST_TANH = np.float32(1e-20)  # a message without information, kept from dividing by zero
_BATCH = 512  # blocks whose messages fit a processor's cache


@dataclass(frozen=True, eq=False)
class DecodedBlocks:
    """What a decoder made of blocks.

    Attributes:
        information: (B, dimension) bits, uint8; a guess where a block is lost.
        converged: (B,) bool, whether all parity checks hold; a block without is lost.
    """

    information: np.ndarray
    converged: np.ndarray


class LDPCDecoder:
    """Layered sum-product decoding.

    Args:
        code: the code.
        iterations: after as many, a block whose parity checks still fail counts as lost.
    """

    def __init__(self, code: LDPCCode, *, iterations: int = ITERATIONS) -> None:
        self.code = code
        self.iterations = iterations
        lifting = np.arange(code.lifting)
        # Bits of the checks of each layer: (degree, lifting). A shift to the right of the identity
        # by s puts the one of its row i into column i + s.
        self._layers = [
            np.stack(
                [
                    column * code.lifting + (lifting + row[column]) % code.lifting
                    for column in np.flatnonzero(row != NO_BLOCK)
                ]
            )
            for row in code.base
        ]

    def decode(self, llr: np.ndarray) -> DecodedBlocks:
        """Decode blocks.

        Args:
            llr: `log p(bit = 0) - log p(bit = 1)` of each bit, (B, length); 0 for a bit not sent.
        """
        if llr.ndim != 2 or llr.shape[1] != self.code.length:
            raise ValueError(f"expected (B, {self.code.length}) LLRs, got {llr.shape}")
        parts = [self._decode(llr[first : first + _BATCH]) for first in range(0, len(llr), _BATCH)]
        information = [bits for bits, _ in parts] or [np.zeros((0, self.code.dimension), np.uint8)]
        converged = [done for _, done in parts] or [np.zeros(0, bool)]
        return DecodedBlocks(np.concatenate(information), np.concatenate(converged))

    def _decode(self, llr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Decode one batch: information (B, dimension) and convergence (B,)."""
        belief = np.clip(llr.T, -LARGEST_LLR, LARGEST_LLR).astype(np.float32)  # (length, B)
        messages = [np.zeros((*bits.shape, belief.shape[1]), np.float32) for bits in self._layers]
        active = np.arange(len(llr))
        information = np.zeros((len(llr), self.code.dimension), dtype=np.uint8)
        converged = np.zeros(len(llr), dtype=bool)
        for iteration in range(self.iterations + 1):
            hard = belief < 0
            done = self._checks(hard)
            finished = done if iteration < self.iterations else np.ones_like(done)
            if finished.any():
                information[active[finished]] = hard[: self.code.dimension, finished].T
                converged[active[done]] = True
                active = active[~finished]
                if not len(active):
                    break
                belief = belief[:, ~finished]
                messages = [message[..., ~finished] for message in messages]
            for bits, message in zip(self._layers, messages, strict=True):
                update_layer(belief, bits, message)
        return information, converged

    def _checks(self, hard: np.ndarray) -> np.ndarray:
        """Tell for each block whether all parity checks of its bits (length, B) hold."""
        holds = np.ones(hard.shape[1], dtype=bool)
        for bits in self._layers:
            holds &= ~np.logical_xor.reduce(hard[bits], axis=0).any(axis=0)
        return holds


def update_layer(belief: np.ndarray, bits: np.ndarray, message: np.ndarray) -> None:
    """Let the checks of one layer send new messages to their bits, in place.

    Args:
        belief: LLR of each bit, (length, B).
        bits: of each check, (degree, lifting).
        message: what the checks told their bits last time, (degree, lifting, B).
    """
    others = belief[bits] - message  # what the bits know from elsewhere, (degree, lifting, B)
    tanh = np.tanh(others / 2)
    tanh[np.abs(tanh) < _SMALLEST_TANH] = _SMALLEST_TANH
    # The product over the other bits of the check; 2 atanh of it is their message.
    product = np.clip(tanh.prod(axis=0) / tanh, -_LARGEST_TANH, _LARGEST_TANH)
    np.log((1 + product) / (1 - product), out=message)
    belief[bits] = others + message


@cache
def wifi_decoder(rate: Fraction, *, length: int = 1944) -> LDPCDecoder:
    """The decoder of `wifi_code`."""
    return LDPCDecoder(wifi_code(rate, length=length))
