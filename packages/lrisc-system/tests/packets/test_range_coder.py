import math
import random

import pytest

from lrisc_system.packets.range_coder import MAX_TOTAL, RangeDecoder, RangeEncoder


def encode(symbols, tables):
    encoder = RangeEncoder()
    for symbol, table in zip(symbols, tables, strict=True):
        encoder.encode(symbol, table)
    return encoder.finish()


def decode(data, tables):
    decoder = RangeDecoder(data)
    return [decoder.decode(table) for table in tables], decoder.unread_bytes


def test_bytes_by_hand():
    """Four symbols of 256 equal ones are the four bytes themselves."""
    table = [1] * 256
    assert encode([7, 0, 255, 3], [table] * 4) == bytes([7, 0, 255, 3])
    assert encode([7, 0, 0, 0], [table] * 4) == bytes([7])
    assert encode([0] * 100, [table] * 100) == b""


def test_half_an_interval_is_one_bit():
    # The upper half of [0, 1) starts at binary 0.1 = 0x80; the lower half at 0.
    assert encode([1], [[1, 1]]) == b"\x80"
    assert encode([0], [[1, 1]]) == b""
    assert encode([1, 0, 1], [[1, 1]] * 3) == b"\xa0"


@pytest.mark.parametrize("seed", range(40))
def test_any_sequence_returns_within_a_byte_of_its_information(seed):
    generator = random.Random(seed)
    tables, symbols = [], []
    for _ in range(generator.randrange(1, 400)):
        size = generator.randrange(1, 20)
        peak = generator.choice([1, 3, 3000])
        tables.append([generator.randrange(1, peak + 1) for _ in range(size)])
        symbols.append(generator.choices(range(size), tables[-1])[0])
    data = encode(symbols, tables)
    assert decode(data, tables) == (symbols, 0)
    bits = -sum(math.log2(t[s] / sum(t)) for s, t in zip(symbols, tables, strict=True))
    assert 8 * len(data) <= bits * 1.001 + 9


@pytest.mark.parametrize("symbol", [0, 1, 2])
def test_carries_run_through(symbol):
    """A middle third that repeats keeps the interval around 1/2 and makes the carry travel."""
    table = [MAX_TOTAL // 2 - 1, 1, MAX_TOTAL // 2]
    symbols = [0, 2, 1, symbol] * 50 + [2] * 300 + [symbol] * 3
    tables = [table] * len(symbols)
    assert decode(encode(symbols, tables), tables) == (symbols, 0)


def test_any_bytes_decode_to_symbols():
    generator = random.Random(1)
    tables = [[3, 1, 60000], [1, 1], [5, 5, 7]] * 100
    for _ in range(50):
        data = generator.randbytes(generator.randrange(0, 60))
        symbols, _ = decode(data, tables)
        assert all(0 <= s < len(t) for s, t in zip(symbols, tables, strict=True))
    _, unread = decode(bytes(500), tables)
    assert unread > 0
