from fractions import Fraction

import numpy as np
import pytest
import torch

from lrisc_system.radio.mcs import MCS
from lrisc_system.radio.qam import Modulation
from lrisc_system.radio.side_codes import SIDE_CODES, SideCode
from lrisc_system.radio.soft_channel import Observation


def seen(symbols, noise_power=0.01):
    return Observation(symbols, torch.full((len(symbols),), noise_power))


def test_symbols_by_hand():
    """58 bytes and a CRC of 2: 480 bits in one block of 1080 with 216 of parity, 6 a symbol."""
    code = SideCode(MCS(Modulation.QAM64, Fraction(5, 6)), 1296)
    assert code.symbols(58) == (480 + 216) // 6
    assert str(code) == "64-QAM 5/6 of 1296 bits"


def test_there_are_as_many_codes_as_the_header_can_name():
    assert len(SIDE_CODES) == 48 <= 1 << 6
    assert len(set(SIDE_CODES)) == 48


@pytest.mark.parametrize("code", SIDE_CODES[::5])
@pytest.mark.parametrize("part_bytes", [1, 300])
def test_a_part_comes_back(code, part_bytes):
    part = np.random.default_rng(0).bytes(part_bytes)
    symbols = code.encode(part)
    assert len(symbols) == code.symbols(part_bytes)
    assert code.decode(seen(symbols), part_bytes=part_bytes) == part


def test_an_empty_part_takes_nothing():
    assert len(SIDE_CODES[0].encode(b"")) == SIDE_CODES[0].symbols(0) == 0
    assert SIDE_CODES[0].decode(seen(torch.zeros(0) + 0j), part_bytes=0) == b""


def test_a_lost_block_or_a_wrong_checksum_is_nothing():
    code = SIDE_CODES[0]
    symbols = code.encode(b"rate map")
    assert code.decode(seen(torch.zeros_like(symbols)), part_bytes=8) is None
    # A codeword, but of another part.
    other = code.mcs.encode(b"rate map??", plan=code.plan(8))
    assert code.decode(seen(other), part_bytes=8) is None
