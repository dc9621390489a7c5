import csv
import json
import math

import pytest
from rich.console import Console

from lrisc_system.evaluation import evaluate
from lrisc_system.evaluation.earlier_results import FIGURES, read_earlier_results, read_summary
from lrisc_system.evaluation.settings import Point
from lrisc_system.evaluation.statistics import Estimate
from lrisc_system.evaluation.summary import Summary, write_summary

HERE, ELSEWHERE = Point(10.0, 1 / 24), Point(10.0, 1 / 7)


def summary(link, point, images=2):
    figures = dict.fromkeys(FIGURES, Estimate(0.5, 0.0, 0.0))
    figures |= {"cbr": Estimate(point.cbr, 0.0, 0.0), "psnr": Estimate(21.25, math.nan, 0.5)}
    return Summary(link, point, images, 3, figures)


@pytest.fixture
def write(tmp_path):
    def write(*summaries):
        write_summary(summaries, tmp_path)
        return tmp_path / "summary.csv"

    return write


def test_a_summary_is_read_as_it_was_written(write):
    summaries = [summary("lrisc", HERE), summary("ideal-420", ELSEWHERE)]
    back = read_summary(write(*summaries))
    assert [(s.link, s.point, s.images, s.seeds) for s in back] == [
        ("lrisc", HERE, 2, 3),
        ("ideal-420", ELSEWHERE, 2, 3),
    ]
    assert back[0].figures["cbr"] == summaries[0].figures["cbr"]
    assert math.isnan(back[1].figures["psnr"].ci95_channel)


def test_an_earlier_version_lacks_the_later_figures(write):
    assert not {"dists", "roi_iou", "kid_vgg"} & FIGURES
    (back,) = read_summary(write(summary("deepjscc", HERE)))
    assert back.mean("psnr") == 21.25
    assert math.isnan(back.mean("kid_vgg"))


def test_other_links_at_the_same_points_are_added(settings, change, write):
    path = write(summary("lrisc", HERE), summary("deepjscc", HERE), summary("linear", ELSEWHERE))
    found = read_earlier_results(change(settings, earlier_results=path), own=["lrisc"], images=2)
    assert [(s.link, s.point) for s in found] == [("deepjscc", HERE)]
    assert read_earlier_results(settings, own=["lrisc"], images=2) == []


def test_what_does_not_fit_is_refused(settings, change, write, tmp_path):
    def read(path):
        return read_earlier_results(change(settings, earlier_results=path), own=["lrisc"], images=2)

    with pytest.raises(ValueError, match=r"gone\.csv: expected a summary\.csv, cannot read it"):
        read(tmp_path / "gone.csv")
    other = tmp_path / "results.csv"
    other.write_text("link,image,snr_db\nlrisc,apple,10\n")
    with pytest.raises(ValueError, match=r"expected a summary\.csv, got another file"):
        read(other)
    short = write(summary("deepjscc", HERE))
    short.write_text("".join(short.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(ValueError, match="it lacks figures of a link"):
        read(short)
    with pytest.raises(ValueError, match="expected another link at a point of this evaluation"):
        read(write(summary("lrisc", HERE), summary("deepjscc", ELSEWHERE)))
    with pytest.raises(ValueError, match="expected means over 2 images, got 24"):
        read(write(summary("deepjscc", HERE, images=24)))
    with pytest.raises(ValueError, match=r"expected links of lrisc, .*, got 'mine'"):
        read(write(summary("mine", HERE)))


def test_tables_and_curves_show_both(settings, change, write):
    here = write(summary("deepjscc", HERE), summary("lrisc", HERE))
    both = change(settings, links=("lrisc",), earlier_results=here, seeds=1)
    rows = evaluate(both, console=Console(quiet=True))
    assert {row.task.link for row in rows} == {"lrisc"}
    tables = (settings.out / "tables.md").read_text()
    assert tables.splitlines()[0].endswith("one channel seed, earlier results of summary.csv")
    assert "| DeepJSCC | - | 21.25 |\n" in tables
    (found_again,) = (line for line in tables.splitlines() if line.startswith("| ROI, found again"))
    assert found_again.endswith("| - |")
    assert "| LRISC | 21.25" not in tables  # its own figures, not the other file's
    assert "DeepJSCC" in (settings.out / "quality-over-cbr.svg").read_text()
    assert json.loads((settings.out / "rd" / "deepjscc.json").read_text())["name"] == "DeepJSCC"
    with (settings.out / "summary.csv").open() as file:
        assert {line["link"] for line in csv.DictReader(file)} == {"lrisc", "deepjscc"}
