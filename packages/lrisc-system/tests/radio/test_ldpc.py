from fractions import Fraction

import numpy as np
import pytest

from lrisc_system.radio.ldpc import LDPCCode, wifi_code
from lrisc_system.radio.ldpc_matrices import BASE_MATRICES, CODE_LENGTHS, CODE_RATES, NO_BLOCK

HALF, TWO_THIRDS, THREE_QUARTERS, FIVE_SIXTHS = CODE_RATES


@pytest.mark.parametrize(
    ("rate", "rows", "count"),
    # Blocks that are not zero, as papers on 802.11n decoders count them for 1944 bits.
    [(HALF, 12, 86), (TWO_THIRDS, 8, 88), (THREE_QUARTERS, 6, 85), (FIVE_SIXTHS, 4, 79)],
)
def test_base_matrices_have_the_shape_and_weight_of_the_standard(rate, rows, count):
    assert (BASE_MATRICES[rate, 1944] != NO_BLOCK).sum() == count
    assert {BASE_MATRICES[rate, length].shape for length in CODE_LENGTHS} == {(rows, 24)}
    assert 1 - Fraction(rows, 24) == rate


def test_shifts_of_the_shorter_codes():
    """A row of each table of the standard, F-1 and F-2."""
    assert BASE_MATRICES[THREE_QUARTERS, 648][1, :8].tolist() == [25, 12, 12, 3, 3, 26, 6, 21]
    row = BASE_MATRICES[TWO_THIRDS, 1296][4]
    assert row[row != NO_BLOCK].tolist() == [45, 7, 18, 51, 12, 25, 50, 5, 0, 0, 0]


@pytest.mark.parametrize("length", CODE_LENGTHS)
@pytest.mark.parametrize("rate", CODE_RATES)
def test_codewords_are_systematic_and_pass_every_parity_check(rate, length):
    code = wifi_code(rate, length=length)
    information = np.random.default_rng(0).integers(0, 2, (20, code.dimension), dtype=np.uint8)
    codewords = code.encode(information)
    assert (code.length, code.dimension) == (length, length * rate)
    assert np.array_equal(codewords[:, : code.dimension], information)
    assert not (codewords @ code.parity_check().T.astype(int) % 2).any()


def test_a_small_code_by_hand():
    """Blocks of two bits, information u: p0 = sum of rows, then down the staircase."""
    base = np.array([[0, 1, 0, -1], [1, 0, 0, 0], [-1, 1, -1, 0]])
    code = LDPCCode(base, lifting=2)
    # u = (1, 0): rows give (1, 0), (0, 1) and 0, so p0 = (1, 1) and P p0 = (1, 1);
    # p1 = (1, 0) + (1, 1) = (0, 1); p2 = p1 + (0, 1) + p0 = (1, 1).
    assert code.encode(np.array([[1, 0]])).tolist() == [[1, 0, 1, 1, 0, 1, 1, 1]]
    assert code.parity_check()[0].tolist() == [1, 0, 0, 1, 1, 0, 0, 0]


def test_errors_say_what_was_expected():
    expected = r"a code rate of 1/2, 2/3, 3/4, 5/6 and 648, 1296, 1944 bits, got 7/8 and 1944"
    with pytest.raises(ValueError, match=expected):
        wifi_code(Fraction(7, 8))
    with pytest.raises(ValueError, match=r"expected \(B, 972\) bits, got \(1, 3\)"):
        wifi_code(HALF).encode(np.zeros((1, 3)))
    broken = BASE_MATRICES[HALF, 1944].copy()
    broken[3, 20] = 0
    with pytest.raises(ValueError, match="staircase"):
        LDPCCode(broken, lifting=81)
