import csv
import math

import pytest

from lrisc_system.evaluation import Point
from lrisc_system.evaluation.measure import Measurement
from lrisc_system.evaluation.rows import Row, Task
from lrisc_system.evaluation.summary import summarize, write_summary

LOW, HIGH = Point(1.0, 0.1), Point(10.0, 0.1)


def row(link, image, point, seed, psnr):
    figures = Measurement(psnr, math.nan, *[0.5] * 8)
    return Row(Task(link, image, point, seed), 0.09, psnr > 20, figures, 0.25)


@pytest.fixture
def rows():
    """Two images and two seeds; `linear` lacks one transmission at the high SNR."""
    rows = [
        row(link, image, point, seed, {"apple": 30, "pear": 20}[image] + seed)
        for link in ("linear", "lrisc")
        for image in ("apple", "pear")
        for point in (LOW, HIGH)
        for seed in (0, 1)
    ]
    return [r for r in rows if r.task != Task("linear", "pear", HIGH, 1)]


@pytest.fixture
def summaries(rows):
    return summarize(
        rows, links=["lrisc", "linear"], points=[LOW, HIGH], images=["apple", "pear"], seeds=2
    )


def test_a_part_of_the_images_has_no_mean(summaries):
    assert [(s.link, s.point) for s in summaries] == [
        ("lrisc", LOW),
        ("lrisc", HIGH),
        ("linear", LOW),
    ]


def test_means_and_intervals_by_hand(summaries):
    """PSNR 30, 31 and 20, 21.

    Each image's variance is 0.5, so the mean's is 1 / 2 / 4, with two degrees of freedom:
    4.3027 * 0.35355 = 1.521. Between images, 12.706 * 7.0711 / sqrt(2) = 63.53.
    """
    first = summaries[0]
    assert (first.images, first.seeds) == (2, 2)
    psnr = first.figures["psnr"]
    assert psnr.mean == 25.5
    assert psnr.ci95_channel == pytest.approx(1.521, abs=1e-3)
    assert psnr.ci95_images == pytest.approx(63.53, abs=0.01)
    assert first.figures["delivered"].mean == 0.75
    assert first.figures["cbr"].mean == pytest.approx(0.09)
    assert math.isnan(first.figures["ms_ssim"].mean)


def test_one_line_for_each_figure(summaries, tmp_path):
    write_summary(summaries, tmp_path)
    with (tmp_path / "summary.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 3 * len(summaries[0].figures)
    line = next(line for line in lines if line["figure"] == "psnr")
    assert (line["link"], line["snr_db"], line["mean"]) == ("lrisc", "1.0", "25.5")
    assert float(line["ci95_channel"]) == summaries[0].figures["psnr"].ci95_channel


def test_nothing_complete_is_an_empty_table(tmp_path):
    write_summary([], tmp_path)
    assert (tmp_path / "summary.csv").read_text().strip() == ""
