"""Write the tables and figures of an evaluation from its rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.markdown import Markdown

from lrisc_system.bandwidth import name_cbr
from lrisc_system.evaluation.links.registry import LINKS, MATCHED
from lrisc_system.evaluation.report.curves import cbr_of, draw_curves, draw_published, snr_of
from lrisc_system.evaluation.report.pictures import draw_pictures
from lrisc_system.evaluation.report.rd_json import write_curves
from lrisc_system.evaluation.report.realism_distortion import draw_realism_distortion
from lrisc_system.evaluation.report.tables import (
    detail_table,
    published_table,
    sweep_tables,
)
from lrisc_system.evaluation.rows import Refusal, Row, read_rows, write_results
from lrisc_system.evaluation.set_figures import add_set_figures
from lrisc_system.evaluation.settings import EvaluateSettings, Point
from lrisc_system.evaluation.summary import Summary, summarize, write_summary
from lrisc_system.radio.fading import Fading
from lrisc_system.storage.files import write_atomically
from lrisc_system.training.curve_plot import write_figure

PADDING_NOTED = 1.01  # times the CBR that was asked for
TABLES_NAME = "tables.md"
CHANNELS = {
    Fading.none: "AWGN",
    Fading.block: "Rayleigh fading by image",
    Fading.fast: "Rayleigh fading by symbol",
}


def write_report(
    settings: EvaluateSettings,
    images: Sequence[str],
    pictures: Sequence[str],
    *,
    others: Sequence[Summary] = (),
    notes: Sequence[str] = (),
    console: Console,
) -> None:
    """Write and print what the rows of a folder say.

    Args:
        settings: of the evaluation.
        images: names of all.
        pictures: names of those in the picture row.
        others: summaries from `settings.earlier_results`.
        notes: sentences on what was left out before the measurement.
        console: to print the tables on.

    Raises:
        ValueError: no link could serve any point.
    """
    rows, refusals = read_rows(settings.out)
    if not rows:
        raise ValueError(f"expected a link that serves a point, none does: {refusals[0].reason}")
    write_results(rows, settings.out, links=LINKS)
    summaries = summarize(
        rows, links=LINKS, points=settings.points(), images=images, seeds=settings.seeds
    )
    summaries = add_set_figures(summaries, settings.out, images=images)
    summaries += others
    write_summary(summaries, settings.out)
    over_snr = select(summaries, settings.over_snr())
    over_cbr = select(summaries, settings.over_cbr())
    title = describe(settings, len(images))
    write_curves(over_cbr, settings, settings.out, title=title)

    missing = explain_missing(summaries, settings, rows, refusals)
    snr_db = f"{settings.bandwidths_snr_db:g} dB"
    text = tables_text(summaries, settings, title=title, notes=[*notes, *missing])
    write_atomically(settings.out / TABLES_NAME, text.encode())
    if over_snr:
        where = f"{title}, CBR {name_cbr(settings.cbr)}"
        figure = draw_curves(over_snr, snr_of, xlabel="SNR in dB", title=where)
        for axis in figure.axes:
            axis.set_xticks(settings.snr_db)
        save_figure(figure, settings.out / "quality-over-snr")
    if over_cbr:
        xlabel = "CBR, everything that is sent counted"
        figure = draw_curves(over_cbr, cbr_of, xlabel=xlabel, title=f"{title}, {snr_db}")
        if settings.published:
            draw_published(figure)
        save_figure(figure, settings.out / "quality-over-cbr")
    compared = Point(settings.bandwidths_snr_db, settings.cbr)
    realistic = [s for s in select(summaries, [compared]) if math.isfinite(s.mean("kid_vgg"))]
    if realistic:
        where = f"{title}, {snr_db}, CBR {name_cbr(settings.cbr)}"
        figure = draw_realism_distortion(realistic, title=where)
        save_figure(figure, settings.out / "realism-distortion")
    if pictures:
        cbr = f"CBR {name_cbr(settings.picture_cbr)} or the nearest"
        where = f"{name_shape(settings)}, {CHANNELS[settings.fading]}, {snr_db}, {cbr}"
        figure = draw_pictures(pictures, settings.out, title=where)
        save_figure(figure, settings.out / "pictures")
    console.print(Markdown(text))


def select(summaries: Sequence[Summary], points: Sequence[Point]) -> list[Summary]:
    """Keep the summaries of some points, in the order of the points."""
    return [summary for point in points for summary in summaries if summary.point == point]


def tables_text(
    summaries: Sequence[Summary],
    settings: EvaluateSettings,
    *,
    title: str,
    notes: Sequence[str],
) -> str:
    """Write all tables as Markdown, and below them a line for everything that is missing."""
    over_snr, over_cbr = settings.over_snr(), settings.over_cbr()
    common = [point for point in over_snr if point in over_cbr]
    parts = [f"## {title}\n"]
    if over_snr:
        where = f"at CBR {name_cbr(settings.cbr)} (columns: SNR)"
        heads = [f"{point.snr_db:g} dB" for point in over_snr]
        parts.append(sweep_tables(summaries, over_snr, heads=heads, where=where))
    if over_cbr:
        where = f"at {settings.bandwidths_snr_db:g} dB (columns: CBR)"
        heads = [name_cbr(point.cbr) for point in over_cbr]
        parts.append(sweep_tables(summaries, over_cbr, heads=heads, where=where))
    parts.append(detail_table(summaries, (common or over_snr or over_cbr)[0]))
    if settings.published:
        parts.append(published_table())
    if notes:
        parts.append("".join(f"- {note}\n" for note in notes))
    return "\n".join(parts)


def explain_missing(
    summaries: Sequence[Summary],
    settings: EvaluateSettings,
    rows: Sequence[Row],
    refusals: Sequence[Refusal],
) -> list[str]:
    """Say why a link has no mean at a bandwidth, and where padding takes more than asked for.

    Args:
        summaries: the means that there are.
        settings: of the evaluation.
        rows: of all links.
        refusals: of all links.
    """
    notes = []
    reasons = {(r.task.link, r.task.point.cbr): r.reason for r in reversed(refusals)}
    for (link, cbr), reason in reasons.items():
        images = {r.task.image for r in refusals if (r.task.link, r.task.point.cbr) == (link, cbr)}
        of = "one image" if len(images) == 1 else f"{len(images)} images"
        notes.append(
            f"{LINKS[link].title} is left out at CBR {name_cbr(cbr)}, refused for {of}: {reason}"
        )
    present = {(s.link, s.point) for s in summaries}
    for link in dict.fromkeys(row.task.link for row in rows):
        for point in settings.points():
            if (link, point) not in present and (link, point.cbr) not in reasons:
                notes.append(
                    f"{LINKS[link].title} is left out at {point.snr_db:g} dB, CBR "
                    f"{name_cbr(point.cbr)}: not all images were sent yet; run the same command "
                    f"with --links {link}"
                )
    for summary in summaries:
        cbr, used = summary.point.cbr, summary.figures["cbr"].mean
        if summary.link != MATCHED and used > PADDING_NOTED * cbr:
            notes.append(
                f"{LINKS[summary.link].title} takes CBR {used:.4f} where {name_cbr(cbr)} is asked "
                f"for: it sends whole blocks of 16 x 16 pixels"
            )
    return list(dict.fromkeys(notes))


def describe(settings: EvaluateSettings, images: int) -> str:
    """Say in one line what was measured."""
    seeds = "one channel seed" if settings.seeds == 1 else f"{settings.seeds} channel seeds"
    count = "one image" if images == 1 else f"{images} images"
    earlier = settings.earlier_results
    added = "" if earlier is None else f", earlier results of {earlier.name}"
    return (
        f"{settings.data.resolve().name}, {count}, {name_shape(settings)}, "
        f"{CHANNELS[settings.fading]}, {seeds}{added}"
    )


def name_shape(settings: EvaluateSettings) -> str:
    """Say whether images are whole."""
    side = settings.crop
    return "whole images" if side is None else f"centre crops {side} x {side}"


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and as SVG."""
    for suffix in (".png", ".svg"):
        write_figure(figure, path.with_suffix(suffix), dpi=150)
