import torch

from jscc_ratetoken import AWGN
from lrisc_system.evaluation.links import OnCPU, hash_file


def test_a_channel_on_the_cpu_is_the_same_channel():
    symbols, snr_db = torch.ones(1, 5, dtype=torch.complex64), torch.tensor([3.0])
    one, two = (
        channel(symbols, snr_db, generator=torch.Generator().manual_seed(1))
        for channel in (AWGN(), OnCPU(AWGN()))
    )
    assert torch.equal(one, two)


def test_a_file_is_known_by_its_content(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert hash_file(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
