import pytest

from lrisc_system.packets.byte_reader import ByteReader, encode_varint


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")],  # 300 = 2 * 128 + 44
)
def test_varints_by_hand(value, data):
    assert encode_varint(value) == data
    assert ByteReader(data).varint() == value


def test_bytes_come_in_order():
    reader = ByteReader(b"abc" + encode_varint(2**28 - 1) + b"d")
    assert reader.take(3) == b"abc"
    assert reader.varint() == 2**28 - 1
    assert reader.position == 7
    assert reader.take(1) == b"d"


def test_too_few_bytes_and_a_number_that_does_not_end():
    with pytest.raises(ValueError, match="cut short"):
        ByteReader(b"ab").take(3)
    with pytest.raises(ValueError, match="cut short"):
        ByteReader(b"\x80").varint()
    with pytest.raises(ValueError, match="a length in the header is wrong"):
        ByteReader(b"\x80" * 5).varint()
