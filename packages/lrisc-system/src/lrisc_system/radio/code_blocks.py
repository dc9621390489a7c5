"""Bytes in blocks of a code, cut to the room of the channel or to the length of the message."""

import binascii
import math
from dataclasses import dataclass

import numpy as np

from lrisc_system.radio.belief_propagation import LARGEST_LLR, LDPCDecoder
from lrisc_system.radio.ldpc import LDPCCode

MOST_PUNCTURED = 0.1  # of the parity bits, as in 802.11
FILLER_SEED = 0  # both ends know it


@dataclass(frozen=True)
class BlockPlan:
    """How a message is laid out in blocks of equal length.

    As in 802.11, blocks are shortened (information bits known to be 0 and not sent) and punctured
    (the last parity bits not sent), so that they fill the room or fit the message.

    Args:
        blocks: how many.
        information: message bits of each.
        punctured: parity bits of each that are not sent.
        length: bits of the code that is cut: 648, 1296 or 1944.
    """

    blocks: int
    information: int
    punctured: int
    length: int

    def message_bytes(self) -> int:
        """Whole bytes that fit."""
        return self.blocks * self.information // 8

    def sent(self, code: LDPCCode) -> int:
        """Coded bits of each block that are sent."""
        return self.information + code.length - code.dimension - self.punctured


@dataclass(frozen=True)
class ReceivedBytes:
    """What came out of the blocks.

    Attributes:
        data: bytes up to the first lost block.
        lost_block: its number, absent when all arrived.
    """

    data: bytes
    lost_block: int | None


def plan_blocks(code: LDPCCode, *, room: int) -> BlockPlan | None:
    """Fill `room` coded bits with as few blocks as can, or nothing when not a byte fits.

    The code rate is kept by taking information and parity bits away in proportion, but no more
    than a tenth of the parity, past which the code weakens quickly.

    Source: the procedure of IEEE Std 802.11, "LDPC PPDU encoding process", simplified: it does
    not choose among block lengths.
    """
    if room < 1:
        return None
    blocks = math.ceil(room / code.length)
    missing = code.length - room // blocks
    parity = code.length - code.dimension
    punctured = min(round(missing * parity / code.length), int(MOST_PUNCTURED * parity))
    plan = BlockPlan(blocks, code.dimension - (missing - punctured), punctured, code.length)
    return plan if plan.information > 0 and plan.message_bytes() > 0 else None


def plan_message(code: LDPCCode, *, message_bytes: int) -> BlockPlan:
    """Lay out a message in as few blocks as can, all shortened to what it takes.

    Raises:
        ValueError: the message is empty.
    """
    if message_bytes < 1:
        raise ValueError(f"expected a message of at least one byte, got {message_bytes}")
    blocks = math.ceil(8 * message_bytes / code.dimension)
    information = math.ceil(8 * message_bytes / blocks)
    return BlockPlan(blocks, information, punctured=0, length=code.length)


def encode_bytes(message: bytes, *, plan: BlockPlan, code: LDPCCode) -> np.ndarray:
    """Turn bytes into coded bits, (blocks * sent,) uint8; random bits fill the last block.

    Raises:
        ValueError: the message is too long.
    """
    if len(message) > plan.message_bytes():
        raise ValueError(f"expected at most {plan.message_bytes()} bytes, got {len(message)}")
    bits = np.unpackbits(np.frombuffer(message, dtype=np.uint8))
    room = plan.blocks * plan.information - len(bits)
    filler = np.random.default_rng(FILLER_SEED).integers(0, 2, room, dtype=np.uint8)
    information = np.zeros((plan.blocks, code.dimension), dtype=np.uint8)
    information[:, : plan.information] = np.concatenate([bits, filler]).reshape(plan.blocks, -1)
    coded = code.encode(information)
    return coded[:, _sent_positions(plan, code)].reshape(-1)


def decode_bytes(llr: np.ndarray, *, plan: BlockPlan, decoder: LDPCDecoder) -> ReceivedBytes:
    """Decode blocks until one is lost, from the LLRs of `encode_bytes`' bits."""
    code = decoder.code
    sent = _sent_positions(plan, code)
    expected = plan.blocks * plan.sent(code)
    if llr.shape != (expected,):
        raise ValueError(f"expected ({expected},) LLRs, got {llr.shape}")
    full = np.zeros((plan.blocks, code.length))  # of a punctured bit nothing is known
    full[:, plan.information : code.dimension] = LARGEST_LLR  # a shortened bit is 0
    full[:, sent] = llr.reshape(plan.blocks, -1)
    decoded = decoder.decode(full)
    lost = np.flatnonzero(~decoded.converged)
    lost_block = int(lost[0]) if len(lost) else None
    whole = decoded.information[:lost_block, : plan.information].reshape(-1)
    return ReceivedBytes(np.packbits(whole[: len(whole) // 8 * 8]).tobytes(), lost_block)


def checksum(data: bytes) -> bytes:
    """CRC-16 of bytes: polynomial x^16 + x^12 + x^5 + 1, started with ones. Source: ITU-T X.25."""
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "big")


def _sent_positions(plan: BlockPlan, code: LDPCCode) -> np.ndarray:
    """Which bits of a block are sent, (length,) bool."""
    sent = np.ones(code.length, dtype=bool)
    sent[plan.information : code.dimension] = False
    sent[code.length - plan.punctured :] = False
    return sent
