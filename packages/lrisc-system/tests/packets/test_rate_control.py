import pytest
import torch

from jscc_ratetoken import symbols_per_token
from lrisc_system.packets.packet import Packet
from lrisc_system.packets.rate_control import rates_within
from lrisc_system.packets.rate_map import encode_rates

LEVELS = (0, 4, 8, 16, 32)


def draft(side=256):
    return Packet(
        symbols=torch.zeros(0, dtype=torch.complex64),
        rate_stream=b"",
        z_stream=b"12345678",
        gain_code=0,
        image_size=(side, side),
        fingerprint=b"four",
    )


def bits(side=256):
    return 100 * torch.rand(1, side // 16, side // 16, generator=torch.Generator().manual_seed(0))


def ideal(snr_db):
    return lambda packet: packet.channel_uses(snr_db)


@pytest.mark.parametrize("cbr", [0.002, 0.004, 0.008])
@pytest.mark.parametrize("snr_db", [1.0, 10.0, 19.0])
def test_the_bandwidth_is_used_and_kept(cbr, snr_db):
    rate_index = rates_within(bits(), draft(), cbr=cbr, levels=LEVELS, channel_uses=ideal(snr_db))
    stream = encode_rates(rate_index[0], levels=len(LEVELS))
    symbols = int(symbols_per_token(rate_index, levels=LEVELS).sum())
    side_bits = draft().side_bits + 8 * len(stream)
    # Counted by hand: symbols, and bits at log2(1 + SNR) a use.
    capacity = torch.log2(torch.tensor(1 + 10 ** (snr_db / 10))).item()
    spent = (symbols + side_bits / capacity) / (3 * 256 * 256)
    assert 0.97 * cbr < spent <= cbr


def test_a_bandwidth_that_pays_for_everything_gives_the_largest_rates():
    rate_index = rates_within(bits(), draft(), cbr=1.0, levels=LEVELS, channel_uses=ideal(10.0))
    assert (rate_index == len(LEVELS) - 1).all()


def test_a_bandwidth_below_the_side_information():
    with pytest.raises(ValueError, match=r"large enough for the side information, got 0\.0001"):
        rates_within(bits(), draft(), cbr=0.0001, levels=LEVELS, channel_uses=ideal(10.0))


def test_levels_without_zero_have_a_least_cost():
    with pytest.raises(ValueError, match="large enough for the side information"):
        rates_within(bits(), draft(), cbr=0.001, levels=(16, 32), channel_uses=ideal(10.0))
