"""The means as Markdown, ready for a README."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lrisc_system.bandwidth import name_cbr
from lrisc_system.evaluation.links.registry import LINKS
from lrisc_system.evaluation.published import PUBLISHED, SNR_DB
from lrisc_system.evaluation.settings import Point
from lrisc_system.evaluation.summary import Summary
from lrisc_system.metrics.grid import PERIODS

Show = Callable[[float], str]
FIGURES: dict[str, tuple[str, Show]] = {
    "psnr": ("PSNR in dB", "{:.2f}".format),
    "ms_ssim": ("MS-SSIM", "{:.4f}".format),
    "lpips_alex": ("LPIPS (AlexNet)", "{:.3f}".format),
    "lpips_vgg": ("LPIPS (VGG16)", "{:.3f}".format),
    "dists": ("DISTS", "{:.4f}".format),
    "kid_vgg": ("KID-VGG x 1000", lambda kid: f"{1000 * kid:.1f}"),
    "delivered": ("delivered", "{:.0%}".format),
}
DETAILS: dict[str, tuple[str, Show]] = {
    "cbr": ("CBR", "{:.5f}".format),
    **FIGURES,
    "roi_psnr": ("ROI, PSNR in dB", "{:.2f}".format),
    "roi_ms_ssim": ("ROI, MS-SSIM", "{:.4f}".format),
    "roi_lpips_alex": ("ROI, LPIPS (AlexNet)", "{:.3f}".format),
    "background_psnr": ("background, PSNR in dB", "{:.2f}".format),
    "background_ms_ssim": ("background, MS-SSIM", "{:.4f}".format),
    "background_lpips_alex": ("background, LPIPS (AlexNet)", "{:.3f}".format),
    "roi_iou": ("ROI, found again (IoU)", "{:.3f}".format),
    "fd_vgg": ("FD-VGG", "{:.1f}".format),
    **{
        f"grid_{period}": (f"grid, period {period}, in grey levels", "{:.2f}".format)
        for period in PERIODS
    },
    "seconds": ("seconds", "{:.2f}".format),
}
NOTHING = "-"


def sweep_tables(
    summaries: Sequence[Summary], points: Sequence[Point], *, heads: Sequence[str], where: str
) -> str:
    """Write a table for each figure: a row for each link, a column for each point.

    Args:
        summaries: of the evaluation.
        points: of one sweep.
        heads: of the columns.
        where: what the points have in common.
    """
    parts = []
    for name, (title, show) in FIGURES.items():
        cells = {(s.link, s.point): s.mean(name) for s in summaries if s.point in points}
        means = list(cells.values())
        if not any(map(math.isfinite, means)) or (name == "delivered" and min(means) == 1.0):
            continue
        rows = [
            [LINKS[link].title, *(_show(cells.get((link, point)), show) for point in points)]
            for link in LINKS
            if any(key[0] == link for key in cells)
        ]
        parts.append(f"### {title}, {where}\n\n" + table([["", *heads], *rows]))
    return "\n".join(parts)


def detail_table(summaries: Sequence[Summary], point: Point) -> str:
    """Write all figures of one point: a row for each figure, a column for each link."""
    order = list(LINKS)
    chosen = [summary for summary in summaries if summary.point == point]
    chosen.sort(key=lambda summary: order.index(summary.link))
    rows = [
        [title, *(_show(summary.mean(name), show) for summary in chosen)]
        for name, (title, show) in DETAILS.items()
        if any(math.isfinite(summary.mean(name)) for summary in chosen)
    ]
    head = f"### All figures, at {point.snr_db:g} dB and CBR {name_cbr(point.cbr)}\n\n"
    return head + table([["", *(LINKS[summary.link].title for summary in chosen)], *rows])


def published_table() -> str:
    """Write what other works report: a row for each method and bandwidth."""
    rows = [
        [f"{curve.name} (published)", f"{cbr:g}", f"{psnr:.2f}", curve.source]
        for curve in PUBLISHED
        for cbr, psnr in curve.psnr
    ]
    head = f"### Published, not measured here: Kodak, whole images, AWGN, {SNR_DB:g} dB\n\n"
    return head + table([["", "CBR", "PSNR in dB", "source"], *rows])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of cells, the first of them the head, as a Markdown table."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def _show(mean: float | None, show: Show) -> str:
    return NOTHING if mean is None or not math.isfinite(mean) else show(mean)
