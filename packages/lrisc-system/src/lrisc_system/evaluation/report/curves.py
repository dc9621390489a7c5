"""Quality over SNR and over bandwidth, as curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrisc_system.evaluation.links.registry import LINKS
from lrisc_system.evaluation.published import PUBLISHED
from lrisc_system.evaluation.summary import Summary

PANELS = {
    "psnr": "PSNR in dB, higher is better",
    "lpips_alex": "LPIPS (AlexNet), lower is better",
    "lpips_vgg": "LPIPS (VGG16), lower is better",
    "dists": "DISTS, lower is better",
    "kid_vgg": "KID-VGG, lower is better",
}
COLUMNS = 3
MARKERS = ("o", "s", "^", "D", "v")


def snr_of(summary: Summary) -> float:
    """Return the SNR of a summary in dB."""
    return summary.point.snr_db


def cbr_of(summary: Summary) -> float:
    """Return the mean CBR that was really used, not the budget."""
    return summary.figures["cbr"].mean


def draw_curves(
    summaries: Sequence[Summary], coordinate: Callable[[Summary], float], *, xlabel: str, title: str
) -> Figure:
    """Draw a panel for every figure, with a line for every link.

    The bars are the 95% intervals over draws of the channel.

    Args:
        summaries: of the points of one sweep.
        coordinate: summary -> position on the horizontal axis.
        xlabel: label of that axis.
        title: of the whole figure.
    """
    panels = [name for name in PANELS if any(_there(s, name) for s in summaries)]
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(5.2 * columns, 4.4 * rows + 0.5), layout="constrained")
    figure.suptitle(title)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[len(panels) :]:
        axis.remove()
    for axis, name in zip(axes, panels, strict=False):
        for number, link in enumerate(LINKS):
            line = [s for s in summaries if s.link == link and _there(s, name)]
            if line:
                _draw_line(axis, line, coordinate, name, MARKERS[number % len(MARKERS)])
        axis.set_xlabel(xlabel)
        axis.set_ylabel(PANELS[name])
        axis.grid(alpha=0.3)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def draw_published(figure: Figure) -> None:
    """Add the published points to the panel of PSNR over CBR, with hollow markers."""
    for axis in figure.axes:
        if axis.get_ylabel() == PANELS["psnr"]:
            for curve in PUBLISHED:
                axis.plot(
                    *zip(*curve.psnr, strict=True),
                    color=curve.colour,
                    label=f"{curve.name} (published)",
                    linestyle=":",
                    marker="s",
                    markerfacecolor="none",
                )
    handles, labels = figure.axes[0].get_legend_handles_labels()
    for legend in figure.legends:
        legend.remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)


def _draw_line(
    axis: Axes,
    line: Sequence[Summary],
    coordinate: Callable[[Summary], float],
    name: str,
    marker: str,
) -> None:
    kind = LINKS[line[0].link]
    bars = [s.figures[name].ci95_channel for s in line]
    axis.errorbar(
        [coordinate(s) for s in line],
        [s.figures[name].mean for s in line],
        yerr=bars if all(map(math.isfinite, bars)) and any(bars) else None,
        color=kind.colour,
        label=kind.title,
        linestyle="--" if kind.bound else "-",
        marker=None if kind.bound else marker,
        markersize=5,
        capsize=3,
    )


def _there(summary: Summary, name: str) -> bool:
    return math.isfinite(summary.mean(name))
