import math
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from lrisc_system.radio.ldpc import LDPCCode, LDPCDecoder, wifi_code, wifi_decoder
from lrisc_system.radio.ldpc_matrices import BASE_MATRICES, LIFTING, NO_BLOCK
from lrisc_system.radio.qam import Modulation

HALF, TWO_THIRDS, THREE_QUARTERS, FIVE_SIXTHS = BASE_MATRICES
RATES = list(BASE_MATRICES)


def lost_blocks(rate, modulation, eb_n0_db, *, blocks, seed=0):
    """Blocks that the decoder gives up, of random ones over AWGN, counting wrong ones too."""
    code, decoder, constellation = wifi_code(rate), wifi_decoder(rate), modulation.value
    random = np.random.default_rng(seed)
    information = random.integers(0, 2, (blocks, code.dimension), dtype=np.uint8)
    symbols = constellation.modulate(torch.from_numpy(code.encode(information).reshape(-1)))
    energy = float(constellation.bits_per_symbol * rate)  # per symbol, in information bits
    noise_power = 1 / (energy * 10 ** (eb_n0_db / 10))
    noise = random.normal(size=(2, len(symbols))) * math.sqrt(noise_power / 2)
    received = symbols + torch.from_numpy(noise[0] + 1j * noise[1])
    llr = constellation.soft_bits(received, torch.tensor(noise_power)).numpy()
    decoded = [decoder.decode(block) for block in llr.reshape(blocks, -1)]
    wrong = [
        d is None or not np.array_equal(d, i) for d, i in zip(decoded, information, strict=True)
    ]
    return sum(wrong)


def differ(lost, blocks, reference_lost, reference_blocks):
    """Standard deviations between two loss rates, were they of one probability."""
    pooled = (lost + reference_lost) / (blocks + reference_blocks)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / blocks + 1 / reference_blocks))
    return abs(lost / blocks - reference_lost / reference_blocks) / deviation


@pytest.mark.parametrize(
    ("rate", "rows", "count"),
    # Blocks that are not zero, as papers on 802.11n decoders count them for 1944 bits.
    [(HALF, 12, 86), (TWO_THIRDS, 8, 88), (THREE_QUARTERS, 6, 85), (FIVE_SIXTHS, 4, 79)],
)
def test_base_matrices_have_the_shape_and_weight_of_the_standard(rate, rows, count):
    base = BASE_MATRICES[rate]
    assert base.shape == (rows, 24)
    assert (base != NO_BLOCK).sum() == count
    assert 1 - Fraction(rows, 24) == rate


@pytest.mark.parametrize("rate", RATES)
def test_codewords_are_systematic_and_pass_every_parity_check(rate):
    code = wifi_code(rate)
    information = np.random.default_rng(0).integers(0, 2, (20, code.dimension), dtype=np.uint8)
    codewords = code.encode(information)
    assert (code.length, code.dimension) == (1944, 1944 * rate)
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


@pytest.mark.parametrize(
    ("modulation", "eb_n0_db", "blocks", "reference"),
    # Lost blocks of another implementation of the rate 1/2 code, also sum-product, 50 iterations.
    [
        (Modulation.BPSK, 1.0, 100, (60, 269)),
        (Modulation.BPSK, 1.5, 100, (1, 300)),
        (Modulation.QAM16, 3.5, 100, (24, 300)),
        (Modulation.QAM16, 3.75, 100, (1, 300)),
    ],
)
def test_block_error_rate_of_rate_one_half(modulation, eb_n0_db, blocks, reference):
    lost = lost_blocks(HALF, modulation, eb_n0_db, blocks=blocks)
    assert differ(lost, blocks, *reference) < 3.5


@pytest.mark.parametrize(
    ("rate", "shannon_db"),
    # Least Eb/N0 of BPSK over AWGN, any code. Source: Ryan and Lin, "Channel Codes", ch. 1.
    [(HALF, 0.187), (TWO_THIRDS, 1.059), (THREE_QUARTERS, 1.626), (FIVE_SIXTHS, 2.362)],
)
def test_every_rate_fails_at_the_shannon_limit_and_works_above_it(rate, shannon_db):
    assert lost_blocks(rate, Modulation.BPSK, shannon_db, blocks=20) >= 19
    assert lost_blocks(rate, Modulation.BPSK, shannon_db + 1.5, blocks=40) <= 1


def test_decoder_corrects_flipped_and_missing_bits():
    code = wifi_code(HALF)
    information = np.random.default_rng(1).integers(0, 2, (1, code.dimension), dtype=np.uint8)
    llr = 6.0 * (1.0 - 2.0 * code.encode(information)[0])
    llr[::60] *= -0.1
    llr[::25] = 0.0
    assert np.array_equal(wifi_decoder(HALF).decode(llr), information[0])


def test_decoder_gives_up_on_noise():
    llr = np.random.default_rng(0).normal(size=1944)
    assert wifi_decoder(HALF).decode(llr) is None


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"expected a code rate of 1/2, 2/3, 3/4, 5/6, got 7/8"):
        wifi_code(Fraction(7, 8))
    with pytest.raises(ValueError, match=r"expected \(B, 972\) bits, got \(1, 3\)"):
        wifi_code(HALF).encode(np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"expected \(1944,\) LLRs, got \(3,\)"):
        wifi_decoder(HALF).decode(np.zeros(3))
    broken = BASE_MATRICES[HALF].copy()
    broken[3, 20] = 0
    with pytest.raises(ValueError, match="staircase"):
        LDPCCode(broken, lifting=LIFTING)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ldpc.bp_decoder", None)
    with pytest.raises(ImportError, match=r"pip install 'lrisc-system\[separation\]'"):
        LDPCDecoder(wifi_code(HALF))
