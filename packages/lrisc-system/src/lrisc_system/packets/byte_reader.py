"""Numbers of variable length in bytes, and bytes taken off the front of a packet."""


def encode_varint(value: int) -> bytes:
    """Write a number in base 128, lowest digit first, the top bit set on all but the last byte."""
    digits = bytearray()
    while value >= 128:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)


class ByteReader:
    """Takes bytes off the front.

    Args:
        data: all of them.

    Attributes:
        position: how many were taken.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        """Take the next `count` bytes.

        Raises:
            ValueError: there are fewer.
        """
        if count > len(self.data) - self.position:
            raise ValueError("cut short")
        self.position += count
        return self.data[self.position - count : self.position]

    def varint(self) -> int:
        """Take a number that `encode_varint` wrote in up to four bytes.

        Raises:
            ValueError: there are fewer bytes, or the number has more.
        """
        value = 0
        for shift in range(0, 28, 7):
            digit = self.take(1)[0]
            value |= (digit & 127) << shift
            if digit < 128:
                return value
        raise ValueError("a length in the header is wrong")
