"""A range coder: entropy coding of integers with given frequencies.

Source: Martin 1979, "Range encoding", with the carry passed back into the bytes already written.
It computes with integers alone, so any machine decodes what another one encoded, and it ends
within a byte of the ideal length, which counts when a whole stream is fifty bytes.
"""

from collections.abc import Sequence

STATE_BITS = 32
MAX_TOTAL = 1 << 16  # of the frequencies of one symbol
_TOP = 1 << STATE_BITS
_BOTTOM = 1 << (STATE_BITS - 8)  # the range is refilled below this


class RangeEncoder:
    """Narrows an interval symbol by symbol, and writes its leading bytes once they are fixed."""

    def __init__(self) -> None:
        self._low = 0
        self._range = _TOP
        self._bytes = bytearray()

    def encode(self, symbol: int, frequencies: Sequence[int]) -> None:
        """Append a symbol.

        Args:
            symbol: an index into `frequencies`.
            frequencies: positive integers, with a sum up to `MAX_TOTAL`.
        """
        unit = self._range // sum(frequencies)
        self._low += unit * sum(frequencies[:symbol])
        self._range = unit * frequencies[symbol]
        if self._low >= _TOP:
            self._carry()
        while self._range < _BOTTOM:
            self._bytes.append(self._low >> (STATE_BITS - 8))
            self._low = self._low << 8 & (_TOP - 1)
            self._range <<= 8

    def finish(self) -> bytes:
        """Return the shortest bytes that decode to the symbols, without zeros at the end."""
        end = self._low + self._range
        for kept in range(0, STATE_BITS + 1, 8):  # leading bits of the number within the interval
            step = 1 << (STATE_BITS - kept)
            value = -(-self._low // step) * step
            if value < end:
                break
        self._low = value
        if self._low >= _TOP:
            self._carry()
        self._bytes += self._low.to_bytes(STATE_BITS // 8, "big")
        return bytes(self._bytes).rstrip(b"\0")

    def _carry(self) -> None:
        """Add one to the number written so far."""
        self._low -= _TOP
        last = len(self._bytes) - 1
        while self._bytes[last] == 255:
            self._bytes[last] = 0
            last -= 1
        self._bytes[last] += 1


class RangeDecoder:
    """Reads what `RangeEncoder` wrote, given the same frequencies in the same order.

    Any bytes decode to some symbols: this never fails and never leaves the alphabet.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._range = _TOP
        self._position = STATE_BITS // 8
        self._offset = int.from_bytes(data[: self._position].ljust(self._position, b"\0"), "big")

    @property
    def unread_bytes(self) -> int:
        """Number of bytes not read yet; 0 after the last symbol of an undamaged stream."""
        return max(0, len(self._data) - self._position)

    def decode(self, frequencies: Sequence[int]) -> int:
        """Take the next symbol: an index into `frequencies`."""
        unit = self._range // sum(frequencies)
        symbol, last = 0, len(frequencies) - 1
        while symbol < last and self._offset >= unit * frequencies[symbol]:
            self._offset -= unit * frequencies[symbol]
            symbol += 1
        self._range = unit * frequencies[symbol]
        # Damaged bytes may point beyond the last symbol's end.
        self._offset = min(self._offset, self._range - 1)
        while self._range < _BOTTOM:
            byte = self._data[self._position] if self._position < len(self._data) else 0
            self._offset = self._offset << 8 | byte
            self._range <<= 8
            self._position += 1
        return symbol
