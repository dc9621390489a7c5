import numpy as np
import pytest
import torch

from lrisc_system.packets.packet import PacketError
from lrisc_system.radio.samples import MemorySamples, RawFormat, RawSamples, raw_bytes


def samples(count=10):
    generator = torch.Generator().manual_seed(0)
    return 0.3 * torch.randn(count, dtype=torch.complex64, generator=generator)


@pytest.mark.parametrize(("kind", "error"), [(RawFormat.cf32, 0.0), (RawFormat.cs16, 2**-16)])
def test_raw_files_round_trip_in_pieces(tmp_path, kind, error):
    path = tmp_path / f"a.{kind.name}"
    path.write_bytes(raw_bytes(samples(), kind))
    source = RawSamples(path)
    assert len(source) == 10
    pieces = [source.read(first, 4) for first in (0, 4, 8)]
    assert [len(piece) for piece in pieces] == [4, 4, 2]
    difference = torch.view_as_real(torch.cat(pieces) - samples()).abs().max()
    assert difference <= error


def test_shorts_by_hand(tmp_path):
    """Half of full scale is 16384; what is above full scale is clipped."""
    data = raw_bytes(torch.tensor([0.5 - 0.25j, 2.0 - 2.0j]), RawFormat.cs16)
    assert np.frombuffer(data, "<i2").tolist() == [16384, -8192, 32767, -32768]
    (tmp_path / "a.cs16").write_bytes(data[:4])
    assert RawSamples(tmp_path / "a.cs16").read(0, 1).tolist() == [0.5 - 0.25j]


def test_damaged_files_end_in_one_line(tmp_path):
    path = tmp_path / "a.cf32"
    with pytest.raises(PacketError, match=r"a\.cf32: cannot be read"):
        RawSamples(path)
    path.write_bytes(bytes(9))
    with pytest.raises(PacketError, match="expected samples of 8 bytes, got 9 bytes"):
        RawSamples(path)
    path.write_bytes(b"")
    assert len(RawSamples(path)) == len(RawSamples(path).read(0, 5)) == 0


def test_memory_is_checked():
    with pytest.raises(ValueError, match="complex64, got"):
        MemorySamples(torch.zeros(3))
    broken = samples()
    broken[4] = torch.nan
    source = MemorySamples(broken)
    assert len(source.read(0, 4)) == 4
    with pytest.raises(ValueError, match="finite samples"):
        source.read(3, 4)
