from dataclasses import replace
from pathlib import Path

import pytest

from lrisc_system.evaluation import EvaluateSettings, Point


def test_the_paper_points_by_default():
    settings = EvaluateSettings(data=Path("kodak"), out=Path("results"))
    assert [point.snr_db for point in settings.over_snr()] == [1, 4, 7, 10, 13, 19]
    assert {point.cbr for point in settings.over_snr()} == {1 / 48}
    assert [point.cbr for point in settings.over_cbr()] == [
        1 / 96,
        1 / 48,
        1 / 32,
        1 / 24,
        1 / 16,
        0.1,
    ]
    assert {point.snr_db for point in settings.over_cbr()} == {10.0}


def test_a_point_of_both_sweeps_is_measured_once(settings):
    assert settings.points() == [Point(4.0, 1 / 24), Point(10.0, 1 / 24), Point(10.0, 1 / 12)]


def test_points_stand_in_order_whatever_was_typed(settings):
    typed = replace(settings, snr_db=(10.0, 4.0, 10.0), bandwidths=(0.1, 0.02))
    assert [point.snr_db for point in typed.over_snr()] == [4.0, 10.0]
    assert [point.cbr for point in typed.over_cbr()] == [0.02, 0.1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"snr_db": (500.0,)}, "SNR"),
        ({"cbr": 0.0}, r"CBR in \(0, 1\], got 0"),
        ({"bandwidths": (0.1, 2.0)}, r"CBR in \(0, 1\], got 2"),
        ({"picture_cbr": -1.0}, "CBR"),
        ({"snr_db": (), "bandwidths": ()}, "SNRs or bandwidths"),
        ({"seeds": 0}, "at least one seed, got 0"),
        ({"crop": 0}, "at least one pixel, got 0"),
        ({"published": True, "crop": 256}, "whole images over AWGN .* got crop 256, fading none"),
        ({"published": True, "bandwidths_snr_db": 7.0}, "7 dB"),
        ({"alpha": 1.5}, r"alpha in \[0, 1\], got 1.5"),
    ],
)
def test_numbers_out_of_range_are_refused(settings, wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(settings, **wrong)
