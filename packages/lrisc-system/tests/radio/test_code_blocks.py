from fractions import Fraction

import numpy as np
import pytest

from lrisc_system.radio.belief_propagation import wifi_decoder
from lrisc_system.radio.code_blocks import (
    checksum,
    decode_bytes,
    encode_bytes,
    plan_blocks,
    plan_message,
)
from lrisc_system.radio.ldpc import wifi_code

RATE = Fraction(2, 3)
CODE, DECODER = wifi_code(RATE), wifi_decoder(RATE)


def clean_llr(bits):
    return 8.0 * (1.0 - 2.0 * bits)


def test_plan_by_hand():
    """4096 symbols of 16-QAM: 16384 bits, 8.4 blocks, so nine of 1820 bits.

    124 bits of each are missing. A third of them, 41, is parity (at most 64); the other 83 are
    information, 1296 - 83 = 1213, and the rate is 1213 / 1820 = 0.6665.
    """
    plan = plan_blocks(CODE, room=16384)
    assert (plan.blocks, plan.information, plan.punctured) == (9, 1213, 41)
    assert plan.sent(CODE) == 1820
    assert plan.message_bytes() == 9 * 1213 // 8


def test_plan_of_whole_blocks_changes_nothing():
    plan = plan_blocks(CODE, room=3 * 1944)
    assert (plan.blocks, plan.information, plan.punctured) == (3, 1296, 0)


def test_puncturing_stops_at_a_tenth_of_the_parity():
    plan = plan_blocks(CODE, room=1000)  # 944 missing, of which 64 are parity
    assert (plan.blocks, plan.information, plan.punctured) == (1, 1296 - 880, 64)


@pytest.mark.parametrize("room", [-5, 0, 1, 500, 591])
def test_no_plan_without_room_for_a_byte(room):
    assert plan_blocks(CODE, room=room) is None


def test_the_least_room_carries_one_byte():
    assert plan_blocks(CODE, room=592).message_bytes() == 1  # 648 - 64 parity bits and 8


@pytest.mark.parametrize("room", [592, 1000, 1944, 16384])
def test_bytes_come_back(room):
    plan = plan_blocks(CODE, room=room)
    message = np.random.default_rng(0).bytes(plan.message_bytes())
    bits = encode_bytes(message, plan=plan, code=CODE)
    assert room - plan.blocks < len(bits) <= room
    received = decode_bytes(clean_llr(bits), plan=plan, decoder=DECODER)
    assert (received.data, received.lost_block) == (message, None)


def test_a_lost_block_ends_the_message():
    plan = plan_blocks(CODE, room=16384)
    message = np.random.default_rng(0).bytes(plan.message_bytes())
    llr = clean_llr(encode_bytes(message, plan=plan, code=CODE)).reshape(9, 1820)
    llr[4] = np.random.default_rng(1).normal(size=1820)
    received = decode_bytes(llr.reshape(-1), plan=plan, decoder=DECODER)
    assert received.lost_block == 4
    assert received.data == message[: 4 * 1213 // 8]


def test_random_bits_fill_a_short_message():
    plan = plan_blocks(CODE, room=16384)
    bits = encode_bytes(b"x", plan=plan, code=CODE)
    assert abs(bits.mean() - 0.5) < 0.02  # or the power would not be one
    assert decode_bytes(clean_llr(bits), plan=plan, decoder=DECODER).data[:1] == b"x"


def test_a_message_is_shared_out_by_hand():
    """1000 bytes of 8000 bits: 19 blocks of at most 432 bits, 8000 / 19 = 421.05 of each."""
    code = wifi_code(RATE, length=648)
    plan = plan_message(code, message_bytes=1000)
    assert (plan.blocks, plan.information, plan.punctured, plan.length) == (19, 422, 0, 648)
    assert plan.sent(code) == 422 + 216
    message = np.random.default_rng(0).bytes(1000)
    llr = clean_llr(encode_bytes(message, plan=plan, code=code))
    decoded = decode_bytes(llr, plan=plan, decoder=wifi_decoder(RATE, length=648))
    assert decoded.data[:1000] == message
    with pytest.raises(ValueError, match="at least one byte, got 0"):
        plan_message(code, message_bytes=0)


def test_checksum_of_the_standard_message():
    """The check value of this CRC-16 for the digits 1 to 9, as catalogues of CRCs list it."""
    assert checksum(b"123456789").hex() == "29b1"


def test_errors_say_what_was_expected():
    plan = plan_blocks(CODE, room=1944)
    with pytest.raises(ValueError, match="expected at most 162 bytes, got 163"):
        encode_bytes(bytes(163), plan=plan, code=CODE)
    with pytest.raises(ValueError, match=r"expected \(1944,\) LLRs, got \(7,\)"):
        decode_bytes(np.zeros(7), plan=plan, decoder=DECODER)
