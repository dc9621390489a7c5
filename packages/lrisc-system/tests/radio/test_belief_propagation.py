import math

import numpy as np
import pytest
import torch

from lrisc_system.radio.belief_propagation import update_layer, wifi_decoder
from lrisc_system.radio.ldpc import wifi_code
from lrisc_system.radio.ldpc_matrices import CODE_RATES
from lrisc_system.radio.qam import Modulation

HALF, TWO_THIRDS, THREE_QUARTERS, FIVE_SIXTHS = CODE_RATES


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
    decoded = decoder.decode(llr.reshape(blocks, -1))
    wrong = (decoded.information != information).any(axis=1) | ~decoded.converged
    return int(wrong.sum())


@pytest.mark.parametrize(
    ("modulation", "eb_n0_db", "blocks", "reference"),
    # Lost blocks of another implementation of the rate 1/2 code: sum-product, 50 iterations, all
    # checks at once, so at most as good as layers.
    [
        (Modulation.BPSK, 1.0, 100, (60, 269)),
        (Modulation.BPSK, 1.5, 100, (1, 300)),
        (Modulation.QAM16, 3.5, 100, (24, 300)),
        (Modulation.QAM16, 3.75, 100, (1, 300)),
    ],
)
def test_block_error_rate_of_rate_one_half(modulation, eb_n0_db, blocks, reference):
    lost = lost_blocks(HALF, modulation, eb_n0_db, blocks=blocks)
    reference_lost, reference_blocks = reference
    expected = blocks * reference_lost / reference_blocks
    assert lost <= expected + 3 * math.sqrt(expected)
    assert lost_blocks(HALF, modulation, eb_n0_db - 0.5, blocks=50) > 2 * lost / blocks * 50


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
    llr = 6.0 * (1.0 - 2.0 * code.encode(information))
    llr[:, ::60] *= -0.1
    llr[:, ::25] = 0.0
    decoded = wifi_decoder(HALF).decode(llr)
    assert decoded.converged.all()
    assert np.array_equal(decoded.information, information)


def test_a_message_by_hand():
    """One check over three bits of LLR 2, 2 and 0: the third one learns 2 atanh(tanh(1)^2).

    tanh(1)^2 = 0.58003, and 2 atanh of it 1.3250. The code is a single row of the base matrix.
    """
    belief = np.array([[2.0], [2.0], [0.0]], dtype=np.float32)
    message = np.zeros((3, 1, 1), dtype=np.float32)
    update_layer(belief, np.array([[0], [1], [2]]), message)
    assert message[2, 0, 0] == pytest.approx(1.3250, abs=1e-4)
    assert belief[2, 0] == pytest.approx(1.3250, abs=1e-4)
    assert message[0, 0, 0] == pytest.approx(0, abs=1e-6)  # nothing is known of the third bit


def test_blocks_do_not_depend_on_their_neighbours():
    """Each is done after its own number of iterations, whatever else is in the batch."""
    code, decoder = wifi_code(HALF, length=648), wifi_decoder(HALF, length=648)
    random = np.random.default_rng(2)
    information = random.integers(0, 2, (6, code.dimension), dtype=np.uint8)
    llr = 3.0 * (1.0 - 2.0 * code.encode(information)) + random.normal(size=(6, 648)) * 2.0
    llr[2] = random.normal(size=648)  # never converges
    together = decoder.decode(llr)
    assert together.converged.tolist() == [True, True, False, True, True, True]
    for row in (0, 2, 5):
        alone = decoder.decode(llr[row : row + 1])
        assert np.array_equal(alone.information[0], together.information[row])


def test_decoder_gives_up_on_noise():
    llr = np.random.default_rng(0).normal(size=(1, 1944))
    assert not wifi_decoder(HALF).decode(llr).converged.any()


def test_no_blocks_are_decoded_to_none():
    assert wifi_decoder(HALF).decode(np.zeros((0, 1944))).information.shape == (0, 972)


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"expected \(B, 1944\) LLRs, got \(3,\)"):
        wifi_decoder(HALF).decode(np.zeros(3))
