"""The plot of a run's curves."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lrisc_system.storage.files import write_atomically
from lrisc_system.training.recipes import Stage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAINING = {"total": "loss", "cbr": "expected CBR"}
VALIDATION = {
    "psnr": "PSNR (dB), held out",
    "lpips": "LPIPS, held out",
    "dists": "DISTS, held out",
    "kid_vgg": "KID-VGG, held out",
    "grid_16": "grid of period 16 (grey levels), held out",
}


def plot_curves(stages: Sequence[Stage], curves: Sequence[dict[str, object]], path: Path) -> None:
    """Draw the loss and what validations measure over the steps of the whole run.

    A figure that was not measured has no panel.

    Args:
        stages: stages of the run.
        curves: lines of the run's curves, as `read_curves` gives them.
        path: image file to write; its suffix decides the format.
    """
    from matplotlib.figure import Figure

    first, total = {}, 0
    for stage in stages:
        first[stage.name] = total
        total += max((cast(int, x["step"]) for x in curves if x["stage"] == stage.name), default=0)
    panels: dict[str, list[tuple[float, float]]] = {
        title: [] for title in (*TRAINING.values(), *VALIDATION.values())
    }
    for line in curves:
        step = first[str(line["stage"])] + cast(int, line["step"])
        figures = cast(dict[str, float], line.get("validation", line))
        for key, title in (VALIDATION if "validation" in line else TRAINING).items():
            if key in figures:
                panels[title].append((step, figures[key]))
    drawn = {title: points for title, points in panels.items() if points}
    rows = max(1, (len(drawn) + 1) // 2)
    figure = Figure(figsize=(9, 3.5 * rows))
    figure.subplots_adjust(
        left=0.08, right=0.98, bottom=0.16 / rows, top=1 - 0.1 / rows, hspace=0.35
    )
    for axes, (title, points) in zip(figure.subplots(rows, 2).flat, drawn.items(), strict=False):
        axes.plot(*zip(*points, strict=True), ".-")
        axes.set(title=title, xlabel="step", xlim=(0, max(1, total)))
        for start in first.values():
            axes.axvline(start, color="0.85", zorder=0)
    write_figure(figure, path)


def write_figure(figure: Figure, path: Path, *, dpi: int = 100) -> None:
    """Write a figure in the format that the suffix names; the file appears whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.removeprefix("."), dpi=dpi)
    write_atomically(path, buffer.getvalue())
