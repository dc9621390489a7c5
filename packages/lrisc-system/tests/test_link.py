import pytest
import torch

from entropy_hyperprior import HyperpriorOutput
from jscc_ratetoken import AWGN
from lrisc_system.link import OnCPU, check_snr_db, cross_channel, expected_cbr
from lrisc_system.packets.packet import Packet


def test_expected_cbr_by_hand():
    prior = HyperpriorOutput(
        y_tilde=torch.empty(0),
        mean=torch.empty(0),
        scale=torch.empty(0),
        z_hat=torch.empty(0),
        token_bits=torch.full((1, 2, 2), 100.0),
        side_bits=torch.tensor([30.0]),
    )
    # 0.2 * 400 bits = 80 reals = 40 uses; 30 bits at 1 bit a use (0 dB) = 30 uses
    cbr = expected_cbr(prior, eta=torch.tensor([0.2]), snr_db=torch.tensor([0.0]), pixels=1024)
    assert cbr.item() == pytest.approx(70 / (3 * 1024))


def test_the_channel_touches_the_symbols_alone():
    packet = Packet(
        symbols=torch.ones(20_000, dtype=torch.complex64),
        rate_stream=b"rates",
        z_stream=b"z",
        gain_code=3,
        image_size=(7, 9),
        fingerprint=b"four",
    )
    received = cross_channel(packet, 3.0, generator=torch.Generator().manual_seed(0))
    noise = (received.symbols - packet.symbols).abs().square().mean().item()
    assert noise == pytest.approx(10**-0.3, rel=0.03)  # unit power at 3 dB
    for name in ("rate_stream", "z_stream", "gain_code", "image_size", "fingerprint"):
        assert getattr(received, name) == getattr(packet, name)


@pytest.mark.parametrize("snr_db", [-20.0, 0.0, 40.0])
def test_sensible_snrs_pass(snr_db):
    assert check_snr_db(snr_db).tolist() == [snr_db]


@pytest.mark.parametrize("snr_db", [-20.1, 41.0, float("nan"), float("inf")])
def test_other_snrs_do_not(snr_db):
    with pytest.raises(ValueError, match=r"expected an SNR in \[-20, 40\] dB"):
        check_snr_db(snr_db)


def test_a_channel_on_the_cpu_is_the_same_channel():
    symbols, snr_db = torch.ones(1, 5, dtype=torch.complex64), torch.tensor([3.0])
    one, two = (
        channel(symbols, snr_db, generator=torch.Generator().manual_seed(1))
        for channel in (AWGN(), OnCPU(AWGN()))
    )
    assert torch.equal(one, two)
