"""Realism over distortion: what each link pays in PSNR for images that look like photos."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

from lrisc_system.evaluation.links.registry import LINKS, SERIES
from lrisc_system.evaluation.report.curves import MARKERS
from lrisc_system.evaluation.summary import Summary

TITLE_WIDTH = 70  # characters in a line


def draw_realism_distortion(
    summaries: Sequence[Summary], *, series: Sequence[Sequence[str]] = SERIES, title: str
) -> Figure:
    """Draw PSNR over KID-VGG: a point for each link, with a line through the settings of one.

    Args:
        summaries: of one point, each with a finite KID-VGG.
        series: names of the links that are settings of one, in their order.
        title: of the figure.
    """
    figure = Figure(figsize=(7.0, 5.6), layout="constrained")
    figure.suptitle(textwrap.fill(title, TITLE_WIDTH), fontsize=11)
    axis = figure.subplots()
    places = {s.link: (1000 * s.mean("kid_vgg"), s.mean("psnr")) for s in summaries}
    for names in series:
        there = [name for name in names if name in places]
        if len(there) > 1:
            line = [places[name] for name in there]
            axis.plot(*zip(*line, strict=True), color=LINKS[there[0]].colour, zorder=1)
    for number, name in enumerate(LINKS):
        if name in places:
            kind = LINKS[name]
            axis.plot(
                *places[name],
                color=kind.colour,
                label=kind.title,
                linestyle="none",
                marker=MARKERS[number % len(MARKERS)],
                markerfacecolor="none" if kind.bound else kind.colour,
            )
    axis.set_xlabel("KID-VGG x 1000, lower is more realistic")
    axis.set_ylabel("PSNR in dB, higher is better")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure
