import math

import pytest

from lrisc_system.evaluation import Point
from lrisc_system.evaluation.report.tables import (
    DETAILS,
    detail_table,
    sweep_tables,
    table,
)
from lrisc_system.evaluation.statistics import Estimate
from lrisc_system.evaluation.summary import Summary

LOW, HIGH = Point(1.0, 1 / 48), Point(10.0, 1 / 48)


def summary(link, point, *, psnr, delivered=1.0):
    figures = {name: Estimate(math.nan, 0.0, 0.0) for name in DETAILS}
    figures |= {"psnr": Estimate(psnr, 0.0, 0.0), "delivered": Estimate(delivered, 0.0, 0.0)}
    return Summary(link, point, 24, 3, figures)


@pytest.fixture
def summaries():
    return [
        summary("linear", LOW, psnr=21.234),
        summary("linear", HIGH, psnr=24.26),
        summary("ldpc-420", HIGH, psnr=27.4, delivered=0.75),
    ]


def test_a_table_by_hand():
    assert table([["", "a"], ["b", "1"]]) == "|  | a |\n| --- | --- |\n| b | 1 |\n"


def test_a_sweep_has_a_row_for_each_link(summaries):
    text = sweep_tables(summaries, [LOW, HIGH], heads=["1 dB", "10 dB"], where="at CBR 1/48")
    assert "### PSNR in dB, at CBR 1/48\n" in text
    assert "| linear (KLT) | 21.23 | 24.26 |\n" in text
    assert "| HEVC 4:2:0 + LDPC | - | 27.40 |\n" in text
    assert "LRISC" not in text
    assert "LPIPS" not in text  # nothing was measured


def test_what_is_not_delivered_has_a_table(summaries):
    text = sweep_tables(summaries, [HIGH], heads=["10 dB"], where="here")
    assert "### delivered, here" in text
    assert "| HEVC 4:2:0 + LDPC | 75% |\n" in text
    assert "delivered" not in sweep_tables(summaries, [LOW], heads=["1 dB"], where="here")


def test_all_figures_of_one_point(summaries):
    text = detail_table(summaries, HIGH)
    assert text.startswith("### All figures, at 10 dB and CBR 1/48\n")
    assert "|  | linear (KLT) | HEVC 4:2:0 + LDPC |\n" in text
    assert "| PSNR in dB | 24.26 | 27.40 |\n" in text
    assert detail_table(summaries[::-1], HIGH) == text  # whatever the order they come in
    assert "MS-SSIM" not in text


def test_a_kid_is_shown_times_1000_and_a_missing_one_as_a_dash(summaries):
    here, there = summaries[1:]
    here.figures["kid_vgg"] = Estimate(0.1818, math.nan, math.nan)
    del there.figures["kid_vgg"]
    text = sweep_tables([here, there], [HIGH], heads=["10 dB"], where="here")
    assert "### KID-VGG x 1000, here" in text
    assert "| linear (KLT) | 181.8 |\n| HEVC 4:2:0 + LDPC | - |\n" in text
    assert "| KID-VGG x 1000 | 181.8 | - |\n" in detail_table([here, there], HIGH)
