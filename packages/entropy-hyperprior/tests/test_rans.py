import random

import pytest
from compressai import ans

from entropy_hyperprior import rans

# Two channels: the last interval of each table is the escape.
CDFS = [[0, 20000, 50000, 65000, 65536], [0, 65000, 65536]]
OFFSETS = [-1, 0]


def encode(values: list[list[int]]) -> bytes:
    indexes = [channel for channel, row in enumerate(values) for _ in row]
    symbols = [value for row in values for value in row]
    lengths = [len(cdf) for cdf in CDFS]
    padded = [cdf + [0] * (5 - len(cdf)) for cdf in CDFS]
    return ans.RansEncoder().encode_with_indexes(symbols, indexes, padded, lengths, OFFSETS)


def sample(count: int, *, seed: int, spread: int = 1) -> list[list[int]]:
    source = random.Random(seed)
    return [[source.randint(-spread, spread) for _ in range(count)] for _ in CDFS]


def test_one_symbol_by_hand() -> None:
    # The encoder starts at 2^31 and codes symbol s as x -> (x // width) << 16 | (x % width)
    # + start (Duda's rANS). Four zeros of the second table: start 0, width 65000.
    x = 1 << 31
    for _ in range(4):
        x = (x // 65000 << 16) + x % 65000
    string = x.to_bytes(8, "little")
    assert rans.decode(string, cdfs=CDFS[1:], offsets=OFFSETS[1:], count=4) == [[0, 0, 0, 0]]


@pytest.mark.parametrize("spread", [1, 3, 1000, 2**20])
def test_reads_what_compressai_writes(spread: int) -> None:
    values = sample(50, seed=spread, spread=spread)
    assert rans.decode(encode(values), cdfs=CDFS, offsets=OFFSETS, count=50) == values


def test_agrees_with_compressais_own_decoder() -> None:
    values = sample(40, seed=3, spread=5)
    string = encode(values)
    indexes = [0] * 40 + [1] * 40
    padded = [CDFS[0], [*CDFS[1], 0, 0]]
    theirs = ans.RansDecoder().decode_with_indexes(string, indexes, padded, [5, 3], OFFSETS)
    ours = rans.decode(string, cdfs=CDFS, offsets=OFFSETS, count=40)
    assert ours[0] + ours[1] == theirs


def test_an_integer_has_one_spelling() -> None:
    # Escape (start 65000 of 65536), one nibble, and that nibble zero: 0 takes no nibble at all.
    state = 1 << 31
    for nibble in (0, 1):  # written last to first
        state = state << 4 | nibble
    state = ((state // 536) << 16) + state % 536 + 65000
    with pytest.raises(ValueError, match="leading zero"):
        rans.decode(state.to_bytes(8, "little"), cdfs=CDFS[1:], offsets=OFFSETS[1:], count=1)


@pytest.mark.parametrize("string", [b"", b"\x00" * 4, b"\x00" * 9])
def test_a_string_of_no_possible_length(string: bytes) -> None:
    with pytest.raises(ValueError, match=f"got {len(string)} bytes"):
        rans.decode(string, cdfs=CDFS, offsets=OFFSETS, count=4)


def test_least_bits_by_hand() -> None:
    # The widest intervals hold 30000 and 65000 of 65536: 1.1273 and 0.0118 bits an integer.
    assert rans.least_bits(CDFS, count=1000) == pytest.approx(1127.3 + 11.8, abs=0.3)
    values = [[0] * 1000, [0] * 1000]  # each is the most likely one
    assert rans.least_bits(CDFS, count=1000) <= 8 * len(encode(values)) < 1139 + 80


def test_a_string_too_short_for_its_integers_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"at least \d+ bytes for 1000000000000 integers"):
        rans.decode(bytes(8), cdfs=CDFS, offsets=OFFSETS, count=10**12)


def test_cut_and_extended_strings() -> None:
    string = encode(sample(50, seed=0))
    for damaged in (string[:-4], string[4:], string + b"\x00" * 4):
        with pytest.raises(ValueError, match="damaged string"):
            rans.decode(damaged, cdfs=CDFS, offsets=OFFSETS, count=50)


def test_a_flipped_bit_raises_or_makes_another_sound_string() -> None:
    string = encode(sample(50, seed=0))
    raised = 0
    for bit in range(8 * len(string)):
        damaged = bytearray(string)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            values = rans.decode(bytes(damaged), cdfs=CDFS, offsets=OFFSETS, count=50)
        except ValueError:
            raised += 1
        else:  # such as a raw bit of an escaped value: the encoder could have written this
            assert encode(values) == bytes(damaged)
    assert raised > 0.9 * 8 * len(string)


def test_random_bytes_never_pass() -> None:
    source = random.Random(0)
    for _ in range(500):
        string = source.randbytes(4 * source.randint(2, 40))
        with pytest.raises(ValueError, match="damaged string"):
            rans.decode(string, cdfs=CDFS, offsets=OFFSETS, count=50)
