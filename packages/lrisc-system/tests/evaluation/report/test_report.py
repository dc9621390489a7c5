from dataclasses import replace

import pytest
from rich.console import Console

from lrisc_system.evaluation import Point
from lrisc_system.evaluation.report.report import (
    describe,
    explain_missing,
    save_figure,
    select,
    tables_text,
    write_report,
)
from lrisc_system.evaluation.rows import Refusal, Row, RowFile, Task
from lrisc_system.evaluation.statistics import Estimate
from lrisc_system.evaluation.summary import Summary
from lrisc_system.radio.fading import Fading


def test_the_title_says_what_was_measured(settings, photos):
    name = photos.resolve().name
    assert describe(settings, 2) == f"{name}, 2 images, whole images, AWGN, 2 channel seeds"
    cut = replace(settings, crop=256, seeds=1, fading=Fading.fast)
    assert describe(cut, 24) == (
        f"{name}, 24 images, centre crops 256 x 256, Rayleigh fading by symbol, one channel seed"
    )


def test_a_sweep_is_in_the_order_of_its_points():
    low, high = Point(10.0, 0.02), Point(10.0, 0.1)
    summaries = [Summary("lrisc", point, 1, 1, {}) for point in (high, low)]
    assert [s.point for s in select(summaries, [low, high])] == [low, high]
    assert select(summaries, [low]) == [summaries[1]]


def test_what_was_left_out_is_said_once(settings):
    point = settings.points()[0]
    refusals = [
        Refusal(Task("deepjscc", image, point, seed), "the nearest has 0.0209")
        for image in ("apple", "pear")
        for seed in (0, 1)
    ]
    notes = explain_missing([], settings, [], refusals)
    assert notes == [
        "DeepJSCC is left out at CBR 1/24, refused for 2 images: the nearest has 0.0209"
    ]
    text = tables_text([], settings, title="Two images", notes=notes)
    assert text.startswith("## Two images\n")
    assert text.endswith(f"- {notes[0]}\n")


def test_an_unfinished_link_is_said_to_be_missing(settings):
    done, todo = settings.points()[0], settings.points()[1:]
    row = Row(Task("linear", "apple", done, 0), done.cbr, True, None, 1.0)
    summary = Summary("linear", done, 2, 1, {"cbr": Estimate(done.cbr, 0.0, 0.0)})
    notes = explain_missing([summary], settings, [row], [])
    assert len(notes) == len(todo) == 2
    assert all("linear (KLT) is left out at 10 dB, CBR 1/" in note for note in notes)
    assert all("not all images were sent yet" in note for note in notes)


def test_a_link_that_pads_says_what_it_takes(settings):
    point = settings.points()[0]
    summaries = [
        Summary(name, point, 2, 1, {"cbr": Estimate(point.cbr * 1.08, 0.0, 0.0)})
        for name in ("deepjscc", "lrisc-matched")
    ]
    assert explain_missing(summaries, settings, [], []) == [
        "DeepJSCC takes CBR 0.0450 where 1/24 is asked for: it sends whole blocks of 16 x 16 pixels"
    ]


def test_published_rows_are_shown_where_they_are_asked_for(settings):
    mine = tables_text([], settings, title="Kodak", notes=[])
    theirs = tables_text([], replace(settings, published=True), title="Kodak", notes=[])
    assert "published" not in mine
    assert "| SwinJSCC SA&RA (published) | 0.0208 | 29.04 | Yang et al." in theirs


def test_a_figure_is_saved_twice(tmp_path, settings):
    from matplotlib.figure import Figure

    save_figure(Figure(), tmp_path / "empty")
    assert (tmp_path / "empty.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "empty.svg").read_text()


def test_links_that_serve_nothing_are_refused(settings):
    file = RowFile(settings.out, rank=0)
    file.append(Refusal(Task("lrisc", "apple", settings.points()[0], 0), "too narrow"))
    file.close()
    with pytest.raises(ValueError, match="none does: too narrow"):
        write_report(settings, ["apple", "pear"], ["apple"], console=Console(quiet=True))
