import torch

from jscc_ratetoken import AWGN
from lrisc_system.evaluation.links.link import OnCPU


def test_a_channel_on_the_cpu_is_the_same_channel():
    symbols, snr_db = torch.ones(1, 5, dtype=torch.complex64), torch.tensor([3.0])
    one, two = (
        channel(symbols, snr_db, generator=torch.Generator().manual_seed(1))
        for channel in (AWGN(), OnCPU(AWGN()))
    )
    assert torch.equal(one, two)
