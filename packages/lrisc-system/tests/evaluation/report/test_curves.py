import math
from dataclasses import replace
from itertools import pairwise

import pytest

from lrisc_system.evaluation import Point
from lrisc_system.evaluation.links.registry import LINKS
from lrisc_system.evaluation.report.curves import cbr_of, draw_curves, draw_published, snr_of
from lrisc_system.evaluation.statistics import Estimate
from lrisc_system.evaluation.summary import Summary


def summary(link, snr_db, psnr, *, cbr=0.02, bar=0.1):
    figures = {
        "cbr": Estimate(cbr, 0.0, 0.0),
        "psnr": Estimate(psnr, bar, 3.0),
        "lpips_alex": Estimate(0.3, bar / 100, 0.1),
        "lpips_vgg": Estimate(math.nan, math.nan, math.nan),
    }
    return Summary(link, Point(snr_db, 0.0208), 24, 3, figures)


@pytest.fixture
def figure():
    summaries = [summary(link, snr_db, snr_db + 20) for link in LINKS for snr_db in (1.0, 4.0)]
    return draw_curves(summaries, snr_of, xlabel="SNR in dB", title="All")


def test_a_panel_for_every_figure_that_is_there(figure):
    assert [axis.get_ylabel().split(" ")[0] for axis in figure.axes] == ["PSNR", "LPIPS"]
    assert {axis.get_xlabel() for axis in figure.axes} == {"SNR in dB"}


def test_more_than_three_panels_take_two_rows():
    one = summary("lrisc", 10.0, 30.0)
    more = {name: Estimate(0.2, 0.0, 0.0) for name in ("dists", "kid_vgg")}
    one = replace(one, figures={**one.figures, **more})
    axes = draw_curves([one], snr_of, xlabel="SNR", title="One").axes
    rows = [axis.get_subplotspec().rowspan.start for axis in axes]
    assert rows == [0, 0, 0, 1]


def test_every_link_has_its_colour_and_its_name(figure):
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        kind.title for kind in LINKS.values()
    ]
    for axis in figure.axes:
        drawn = [line for line in axis.get_lines() if len(line.get_xdata()) == 2]
        lines = [line for line in drawn if line.get_linestyle() != "None"]
        assert [line.get_color() for line in lines] == [kind.colour for kind in LINKS.values()]
        assert [line.get_linestyle() for line in lines] == [
            "--" if kind.bound else "-" for kind in LINKS.values()
        ]


def test_the_values_are_the_means(figure):
    line = figure.axes[0].get_lines()[0]
    assert list(line.get_xdata()) == [1.0, 4.0]
    assert list(line.get_ydata()) == [21.0, 24.0]


def test_bandwidth_is_what_was_used():
    used = summary("lrisc", 10.0, 30.0, cbr=0.0205)
    assert cbr_of(used) == 0.0205
    assert snr_of(used) == 10.0


def test_published_points_stand_in_the_panel_of_psnr(figure):
    draw_published(figure)
    psnr, lpips = figure.axes
    (line,) = (x for x in psnr.get_lines() if x.get_label() == "SwinJSCC SA&RA (published)")
    assert list(line.get_ydata()) == [29.04, 31.55, 33.17]
    assert line.get_markerfacecolor() == "none"
    assert not [x for x in lpips.get_lines() if "published" in str(x.get_label())]
    (legend,) = figure.legends
    assert "BPG + LDPC (published)" in [text.get_text() for text in legend.get_texts()]


def test_without_intervals_there_are_no_bars():
    with_bars, without = (
        draw_curves(
            [summary("lrisc", snr_db, 30.0, bar=bar) for snr_db in (1.0, 4.0)],
            snr_of,
            xlabel="SNR",
            title="One",
        )
        for bar in (0.1, math.nan)
    )
    assert len(with_bars.axes[0].collections) == 1
    assert len(without.axes[0].collections) == 0


def test_no_words_overlap(figure):
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    for axis in figure.axes:
        assert not axis.xaxis.label.get_window_extent().overlaps(legend)
        labels = [label for label in axis.get_xticklabels() if label.get_text()]
        ticks = [label.get_window_extent() for label in labels]
        assert not any(a.overlaps(b) for a, b in pairwise(ticks))
    texts = [text.get_window_extent() for text in figure.legends[0].get_texts()]
    assert not any(a.overlaps(b) for i, a in enumerate(texts) for b in texts[:i])
