import csv
import math
from fractions import Fraction
from importlib.resources import files

import numpy as np
import pytest
import torch

from lrisc_system.radio import thresholds
from lrisc_system.radio.header import HEADER_FORMATS
from lrisc_system.radio.mcs import MCS
from lrisc_system.radio.qam import Modulation
from lrisc_system.radio.side_codes import SIDE_CODES, SideCode
from lrisc_system.radio.soft_channel import Observation
from lrisc_system.radio.thresholds import (
    UnreachableError,
    choose_header_format,
    choose_side_code,
    header_threshold_db,
    threshold_db,
)

ROWS = list(
    csv.DictReader(
        files("lrisc_system.radio").joinpath("block_errors.csv").read_text().splitlines()
    )
)


def test_every_row_is_a_measurement():
    """Lost blocks bound their rate by 1e-3 with 95% confidence; none beats Shannon's limit.

    Few information bits in 64-QAM are farthest from it.
    """
    allowed = {(20_000, lost) for lost in range(13)} | {(5_000, 0), (5_000, 1)}
    for row in ROWS:
        assert (int(row["blocks"]), int(row["lost"])) in allowed
        assert 1.0 < float(row["snr_db"]) - float(row["shannon_db"]) < 8.0


def test_a_threshold_is_looked_up_or_interpolated(monkeypatch):
    """By hand, for 16-QAM 1/2 of 648 bits, measured 3 dB from Shannon's limit, and 4 when short.

    With 324 parity bits, 320 information bits make 4 * 320 / 644 = 1.98758 bits a symbol, of which
    the limit is 10 log10(2^1.98758 - 1) = 4.7211 dB. 98 bits make 0.92891, and -0.4407 dB.
    """
    code = SideCode(MCS(Modulation.QAM16, Fraction(1, 2)), 648)
    measured = {324: 4.7712 + 3, 98: -0.4407 + 4}
    table = {("16-QAM", "1/2", 648, 1): measured}
    monkeypatch.setattr(thresholds, "_table", lambda: table)
    gap = 3 + 4 / 226  # 320 bits are 4 of the 226 from 324 to 98
    assert threshold_db(code, 38) == pytest.approx(4.7211 + gap, abs=1e-3)
    assert threshold_db(code, 1) == pytest.approx(measured[98])  # no lower than measured
    assert threshold_db(code, 0) == -math.inf
    del measured[98]
    assert threshold_db(code, 10) == pytest.approx(measured[324], abs=1e-3)
    assert threshold_db(SideCode(code.mcs, 1296), 10) == math.inf


def test_bpsk_is_half_of_qpsk():
    bpsk, qpsk = (
        SideCode(MCS(modulation, Fraction(3, 4)), 648)
        for modulation in (Modulation.BPSK, Modulation.QPSK)
    )
    assert threshold_db(bpsk, 40) == pytest.approx(threshold_db(qpsk, 40) - 3.0103, abs=1e-4)


@pytest.mark.parametrize("part_bytes", [12, 58, 330])
def test_the_chosen_code_is_the_cheapest_that_arrives(part_bytes):
    last = math.inf
    for snr_db in (0.0, 4.0, 9.5, 15.0, 19.0):
        code = choose_side_code(part_bytes, snr_db=snr_db)
        assert threshold_db(code, part_bytes) <= snr_db
        for other in SIDE_CODES:
            arrives = threshold_db(other, part_bytes) <= snr_db
            assert not arrives or other.symbols(part_bytes) >= code.symbols(part_bytes)
        assert code.symbols(part_bytes) <= last
        last = code.symbols(part_bytes)


@pytest.mark.parametrize(("part_bytes", "snr_db"), [(58, 9.5), (52, 3.0), (330, 9.5)])
def test_parts_arrive_at_the_snr_they_are_chosen_for(part_bytes, snr_db):
    """Of 300, at most 2: at one lost block in a thousand, three or more have 0.4% probability."""
    code = choose_side_code(part_bytes, snr_db=snr_db)
    random, lost = np.random.default_rng(0), 0
    power = 10 ** (-snr_db / 10)
    for seed in range(300 // code.plan(part_bytes).blocks):
        part = random.bytes(part_bytes)
        symbols = code.encode(part)
        noise = torch.randn(
            len(symbols), dtype=torch.complex64, generator=torch.Generator().manual_seed(seed)
        )
        received = Observation(symbols + power**0.5 * noise, torch.full((len(symbols),), power))
        lost += code.decode(received, part_bytes=part_bytes) != part
    assert lost <= 2


def test_too_low_an_snr_is_refused():
    with pytest.raises(UnreachableError, match=r"an SNR of at least -\d\.\d dB .* got -8\.0 dB"):
        choose_side_code(58, snr_db=-8.0)


@pytest.mark.parametrize("snr_db", [-2.0, 1.0, 4.0, 7.0, 9.5, 13.0, 19.0])
def test_the_header_is_more_robust_than_the_side_information(snr_db):
    """From -2 dB on, it arrives 2 dB below."""
    chosen = choose_header_format(snr_db)
    assert header_threshold_db(chosen) <= snr_db - 2
    shorter = HEADER_FORMATS[: HEADER_FORMATS.index(chosen)]
    assert all(header_threshold_db(other) > snr_db - 2 for other in shorter)


def test_the_most_robust_header_is_the_last_resort():
    assert choose_header_format(-10.0) == HEADER_FORMATS[-1]
