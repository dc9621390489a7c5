"""Tables and figures for a person: what was sent, what arrived, what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table
from torch import Tensor

from lrisc_system.metrics import Metrics


@dataclass(frozen=True)
class Result:
    """One transmission of one image."""

    snr_db: float
    cbr: float
    metrics: Metrics
    image: Tensor  # received, (1, 3, H, W) in [0, 1]


def metrics_table(results: Sequence[Result]) -> Table:
    """List the cost and the quality of each transmission."""
    table = Table("SNR dB", "CBR", "PSNR dB", "MS-SSIM", "LPIPS")
    for result in results:
        metrics = result.metrics
        table.add_row(
            f"{result.snr_db:g}",
            f"{result.cbr:.4f}",
            f"{metrics.psnr:.2f}",
            f"{metrics.ms_ssim:.4f}",
            f"{metrics.lpips:.4f}",
        )
    return table


def save_comparison(source: Tensor, mask: Tensor, results: Sequence[Result], path: Path) -> None:
    """Draw the source, its ROI and what arrived at each SNR side by side.

    Args:
        source: (1, 3, H, W) in [0, 1].
        mask: (1, 1, H, W) in [0, 1].
        results: of the same image.
        path: file to write; its suffix decides the format.
    """
    height, width = source.shape[-2:]
    columns = 2 + len(results)
    side = 3.6
    figure = Figure(figsize=(side * columns, side * height / width + 0.7), layout="constrained")
    axes = figure.subplots(1, columns)
    axes[0].imshow(_pixels(source))
    axes[0].set_title("source")
    axes[1].imshow(_pixels(source).mean(axis=2), cmap="gray", vmin=0, vmax=1)
    axes[1].imshow(mask[0, 0].numpy(), cmap="inferno", vmin=0, vmax=1, alpha=0.65)
    axes[1].set_title("region of interest")
    for axis, result in zip(axes[2:], results, strict=True):
        axis.imshow(_pixels(result.image))
        axis.set_title(
            f"{result.snr_db:g} dB, CBR {result.cbr:.4f}\n"
            f"{result.metrics.psnr:.2f} dB, LPIPS {result.metrics.lpips:.3f}"
        )
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(path, dpi=110)


def _pixels(image: Tensor) -> np.ndarray:
    return image[0].permute(1, 2, 0).clamp(0, 1).numpy()  # (1, 3, H, W) -> (H, W, 3)
