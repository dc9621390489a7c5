import math
from fractions import Fraction

import pytest
import torch

from jscc_ratetoken import AWGN, Noiseless, RayleighBlock, RayleighFast
from lrisc_system.baselines import (
    MCS,
    MCS_TABLE,
    HEVCImage,
    SeparationLink,
    awgn_capacity,
    ideal_link,
)
from lrisc_system.metrics.quality import psnr
from lrisc_system.radio.qam import Modulation

CBR = 1 / 24
HALF, TWO_THIRDS, THREE_QUARTERS = Fraction(1, 2), Fraction(2, 3), Fraction(3, 4)
FEW = (
    MCS(Modulation.BPSK, HALF),
    MCS(Modulation.QPSK, HALF),
    MCS(Modulation.QAM16, TWO_THIRDS),
    MCS(Modulation.QAM64, THREE_QUARTERS),
)


@pytest.fixture(scope="module")
def source():
    """Coarse colours under fine grey noise, 96 x 128."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 7, 9, generator=generator)
    image = torch.nn.functional.interpolate(coarse, size=(96, 128), mode="bicubic")
    noise = torch.randn(1, 1, 96, 128, generator=generator)
    return HEVCImage((image + 0.02 * noise).clamp(0, 1))


@pytest.fixture(scope="module")
def link():
    return SeparationLink(AWGN(), mcs_table=FEW, trials=10)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class FixedLosses(SeparationLink):
    """A link that is told how often each MCS fails."""

    def __init__(self, losses):
        super().__init__(Noiseless(), mcs_table=tuple(losses))
        self.losses = losses

    def loss_probability(self, mcs, symbols, snr_db):
        return self.losses[mcs]


def test_sixteen_schemes_from_half_a_bit_to_five():
    assert len(MCS_TABLE) == 16
    assert {s.efficiency for s in MCS_TABLE} >= {Fraction(1, 2), Fraction(1), Fraction(3), 5}
    assert str(MCS(Modulation.QAM16, TWO_THIRDS)) == "16-QAM 2/3"


def test_a_good_channel_delivers_the_encoding_within_the_bandwidth(link, source):
    got = link.transmit(source, 10.0, cbr=CBR, generator=generator())
    assert got.delivered
    assert got.lost_block is None
    assert got.scale == 1
    # 1536 uses less 12 for the header leave 1524: 6096 bits of 16-QAM in four blocks of 1524.
    assert got.mcs == MCS(Modulation.QAM16, TWO_THIRDS)
    assert got.blocks == 4
    assert got.cbr == (12 + 4 * 1524 / 4) / (3 * 96 * 128)
    assert got.cbr <= CBR
    budget = got.mcs.plan(1524).message_bytes()
    assert torch.equal(got.image, source.fit(budget).image)
    assert got.payload_bytes == len(source.fit(budget).payload) <= budget


def test_the_choice_follows_the_snr_and_stays_below_the_ideal_code(link, source):
    chosen = []
    for snr_db in (-1.0, 4.0, 10.0, 19.0):
        got = link.transmit(source, snr_db, cbr=1 / 12, generator=generator())
        ideal = ideal_link(source, cbr=1 / 12, capacity=awgn_capacity(snr_db))
        assert got.delivered
        assert got.payload_bytes <= ideal.payload_bytes
        assert psnr(source.image, got.image) <= psnr(source.image, ideal.image)
        chosen.append(got.mcs)
    assert tuple(chosen) == FEW


def test_all_schemes_are_tried_by_default(source):
    got = SeparationLink(trials=5).transmit(source, 13.0, cbr=1 / 48, generator=generator())
    assert got.mcs == MCS(Modulation.QAM16, Fraction(5, 6))
    assert got.delivered


def test_ideal_budget_by_hand(source):
    """3 x 96 x 128 / 24 = 1536 uses of log2(11) bits are 664 bytes."""
    ideal = ideal_link(source, cbr=CBR, capacity=math.log2(11))
    assert ideal.payload_bytes == len(source.fit(664).payload)
    assert ideal.cbr == CBR
    assert ideal.delivered
    assert ideal.mcs is None


def test_a_worse_channel_than_planned_is_a_cliff(link, source):
    figures = {}
    for snr_db in (10.0, 7.0, 0.0):
        got = link.transmit(source, snr_db, cbr=CBR, planned_snr_db=10.0, generator=generator())
        assert got.delivered == (snr_db == 10.0)
        assert (got.lost_block is None) == got.delivered
        figures[snr_db] = psnr(source.image, got.image).item()
    assert figures[10.0] > figures[7.0] + 6
    assert figures[7.0] >= figures[0.0]
    assert math.isclose(figures[0.0], source.grey_psnr, abs_tol=1e-4)


def mean_psnr(link, source, runs):
    receptions = [
        link.transmit(source, 10.0, cbr=CBR, generator=generator(seed)) for seed in range(runs)
    ]
    return sum(psnr(source.image, got.image).item() for got in receptions) / runs


def test_fading_costs_quality_and_more_when_it_is_slow(link, source):
    fast = SeparationLink(RayleighFast(), mcs_table=FEW, trials=10)
    block = SeparationLink(RayleighBlock(), mcs_table=FEW, trials=20)
    figures = [mean_psnr(x, source, runs=30) for x in (block, fast, link)]
    assert source.grey_psnr + 5 < figures[0] < figures[1] < figures[2]


def test_block_fading_loses_as_often_as_the_fade_is_deep():
    """Rate 1/2 BPSK decodes from about -1.8 dB on, so at 5 dB from abs(h)^2 = 10^-0.68 on.

    The power of the fading is exponential, so the loss is 1 - exp(-0.21) = 0.19.
    """
    link = SeparationLink(RayleighBlock(), trials=120)
    loss = link.loss_probability(MCS(Modulation.BPSK, HALF), 1944, 5.0)
    assert abs(loss - 0.19) < 3.5 * math.sqrt(0.19 * 0.81 / 120)


def test_loss_probability_of_certain_cases(link):
    mcs = MCS(Modulation.QAM16, THREE_QUARTERS)
    assert link.loss_probability(mcs, 500, 30.0) == 0.0
    assert link.loss_probability(mcs, 500, 0.0) == 1.0
    assert link.loss_probability(mcs, 3, 30.0) == 1.0


def test_the_scheme_of_highest_expected_psnr_is_chosen(source):
    fast, slow = MCS(Modulation.QPSK, THREE_QUARTERS), MCS(Modulation.QPSK, HALF)
    quality = {
        mcs: source.fit(mcs.plan(1536 - 40).message_bytes()).psnr for mcs in (fast, slow)
    }  # at 0 dB, 1 bit each, the header takes 40 uses
    # (1 - p) * fast + p * grey = slow at the p where both promise as much.
    even = (quality[fast] - quality[slow]) / (quality[fast] - source.grey_psnr)
    for loss, expected in ((even - 0.01, fast), (even + 0.01, slow)):
        link = FixedLosses({fast: loss, slow: 0.0})
        assert link.transmit(source, 0.0, cbr=CBR).mcs == expected


def test_too_little_bandwidth_shows_grey(link, source):
    got = link.transmit(source, 10.0, cbr=0.001)
    assert (got.delivered, got.payload_bytes, got.mcs, got.cbr) == (False, 0, None, 0.0)
    assert torch.equal(got.image, torch.full_like(source.image, 0.5))
    assert not ideal_link(source, cbr=0.0005, capacity=1.0).delivered


def test_a_generator_repeats_the_run(link, source):
    runs = [
        link.transmit(source, 9.0, cbr=CBR, planned_snr_db=10.0, generator=generator(3))
        for _ in range(2)
    ]
    assert torch.equal(runs[0].image, runs[1].image)
    assert runs[0].lost_block == runs[1].lost_block


def test_errors_say_what_was_expected(link, source):
    with pytest.raises(ValueError, match=r"expected cbr in \(0, 1\], got 0"):
        link.transmit(source, 10.0, cbr=0)
    with pytest.raises(ValueError, match="expected MCSs and at least one trial"):
        SeparationLink(mcs_table=())
    with pytest.raises(ValueError, match=r"expected snr_db in -100..100"):
        link.transmit(source, math.inf, cbr=CBR)
