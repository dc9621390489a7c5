"""Decode the strings that CompressAI's rANS coder writes, and detect damaged ones.

CompressAI's own decoder reads past the end of a short string; this one stops there. It also uses
a property of rANS: decoding a valid string ends at the encoder's first state, with no word left.
A string that passes this check is one that the encoder could have written, but not necessarily
the one that it wrote, so a packet still needs a checksum.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

SLACK = 2.0**-14  # bits of a symbol that the coder's rounding may save
PRECISION = 16  # bits of a probability
NIBBLE = 4  # bits of an escaped value per read
START = 1 << 31  # the encoder's first state, and the smallest state between two symbols
Z_LIMIT = 2.0**15  # CompressAI's encoder hangs on integers near 2^30; z stays far below
MAX_NIBBLES = 8  # an escaped value is a 32-bit integer


class _Reader:
    """The decoder's state: one 64-bit number, refilled by 32-bit words."""

    def __init__(self, string: bytes) -> None:
        if len(string) < 8 or len(string) % 4:
            raise ValueError(
                f"damaged string: expected 8, 12, 16, ... bytes, got {len(string)} bytes"
            )
        words = (string[i : i + 4] for i in range(8, len(string), 4))
        self.words: Iterator[bytes] = iter(words)
        self.state = int.from_bytes(string[:8], "little")

    def refill(self) -> None:
        if self.state < START:
            word = next(self.words, None)
            if word is None:
                raise ValueError("damaged string: it ends before the last symbol")
            self.state = self.state << 32 | int.from_bytes(word, "little")

    def symbol(self, cdf: Sequence[int]) -> int:
        position = self.state & ((1 << PRECISION) - 1)
        symbol = bisect_right(cdf, position) - 1
        width = cdf[symbol + 1] - cdf[symbol]
        self.state = width * (self.state >> PRECISION) + position - cdf[symbol]
        self.refill()
        return symbol

    def nibble(self) -> int:
        value = self.state & ((1 << NIBBLE) - 1)
        self.state >>= NIBBLE
        self.refill()
        return value

    def escaped(self) -> int:
        """Read an integer outside the table: count of nibbles, nibbles, sign in the last bit."""
        count = self.nibble()
        if count > MAX_NIBBLES:
            raise ValueError(f"damaged string: an integer of {count} nibbles, more than 32 bits")
        nibbles = [self.nibble() for _ in range(count)]
        if nibbles and nibbles[-1] == 0:
            raise ValueError("damaged string: an integer with a leading zero")
        raw = sum(nibble << (NIBBLE * j) for j, nibble in enumerate(nibbles))
        return -(raw >> 1) - 1 if raw & 1 else raw >> 1

    def close(self) -> None:
        if self.state != START or next(self.words, None) is not None:
            raise ValueError("damaged string: the coder did not return to its first state")


def least_bits(cdfs: Sequence[Sequence[int]], *, count: int) -> float:
    """Return a number of bits that no string of `count` integers for each table falls below."""
    widest = (max(high - low for low, high in pairwise(cdf)) for cdf in cdfs)
    return count * sum(max(0.0, PRECISION - math.log2(width) - SLACK) for width in widest)


def check_length(string: bytes, *, cdfs: Sequence[Sequence[int]], count: int) -> None:
    """Refuse a string that is too short for its integers, before any of them is decoded.

    Raises:
        ValueError: if it is.
    """
    least = least_bits(cdfs, count=count)
    if 8 * len(string) < least:
        raise ValueError(
            f"damaged string: expected at least {math.ceil(least / 8)} bytes for "
            f"{count} integers in each of {len(cdfs)} channels, got {len(string)}"
        )


def decode(
    string: bytes, *, cdfs: Sequence[Sequence[int]], offsets: Sequence[int], count: int
) -> list[list[int]]:
    """Decode `count` integers for each table in turn.

    Args:
        string: bytes from ``compressai.ans.RansEncoder.encode_with_indexes``.
        cdfs: one rising table from 0 to 65536 per channel; its last interval is the escape.
        offsets: the integer that the first interval of each table codes.
        count: integers per channel.

    Returns:
        One list of `count` integers per table.

    Raises:
        ValueError: when the string is too short, too long or otherwise damaged.
    """
    reader = _Reader(string)
    check_length(string, cdfs=cdfs, count=count)
    values = []
    for cdf, offset in zip(cdfs, offsets, strict=True):
        escape = len(cdf) - 2
        channel = []
        for _ in range(count):
            value = reader.symbol(cdf)
            if value == escape:
                value = reader.escaped()
                value = value + escape if value >= 0 else value
            channel.append(value + offset)
        values.append(channel)
    reader.close()
    return values
