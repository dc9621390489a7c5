"""Tables and figures for a person: what was sent, what arrived, what it cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from rich.table import Table
from torch import Tensor

from lrisc_system.metrics.quality import MS_SSIM_SIDE, Metrics
from lrisc_system.training.curve_plot import write_figure


@dataclass(frozen=True)
class Result:
    """One transmission of one image."""

    snr_db: float
    cbr: float
    metrics: Metrics
    image: Tensor  # received, (1, 3, H, W) in [0, 1]


def metrics_table(results: Sequence[Result]) -> Table:
    """List the cost and the quality of each transmission, and why there may be no MS-SSIM."""
    small = any(math.isnan(result.metrics.ms_ssim) for result in results)
    caption = f"MS-SSIM needs sides of more than {MS_SSIM_SIDE} pixels" if small else None
    table = Table("SNR dB", "CBR", "PSNR dB", "MS-SSIM", "LPIPS", caption=caption)
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
    """Draw the source, its ROI and what arrived at each SNR; a detail of each stands below.

    Args:
        source: (1, 3, H, W) in [0, 1].
        mask: (1, 1, H, W) in [0, 1].
        results: of the same image.
        path: file to write; its suffix decides the format.
    """
    titles = ["source", "region of interest"] + [
        f"{result.snr_db:g} dB, CBR {result.cbr:.4f}\n"
        f"PSNR {result.metrics.psnr:.2f} dB, LPIPS {result.metrics.lpips:.3f}"
        for result in results
    ]
    images = [source, _heat(source, mask)] + [result.image for result in results]
    detail = _detail(mask)
    height, width = source.shape[-2:]
    figure = Figure(
        figsize=(3.6 * len(images), 3.6 * (height / width + 1) + 0.8), layout="constrained"
    )
    axes = figure.subplots(2, len(images), height_ratios=[height / width, 1])
    for column, (title, image) in enumerate(zip(titles, images, strict=True)):
        axes[0, column].set_title(title, fontsize=13)
        axes[0, column].imshow(_pixels(image))
        axes[1, column].imshow(_pixels(image[..., detail[0], detail[1]]))
    for axis in axes.flat:
        axis.set_axis_off()
    write_figure(figure, path)


def _heat(source: Tensor, mask: Tensor) -> Tensor:
    """Lay the mask over the grey source in a colour map: (1, 3, H, W)."""
    heat = torch.from_numpy(colormaps["inferno"](mask[0, 0].numpy())[..., :3]).float()
    grey = source.mean(dim=1, keepdim=True)
    return 0.35 * grey + 0.65 * heat.permute(2, 0, 1)[None]  # (H, W, 3) -> (1, 3, H, W)


def _detail(mask: Tensor) -> tuple[slice, slice]:
    """Choose the square, a third of the shorter side, around the middle of the mask."""
    height, width = mask.shape[-2:]
    side = max(1, min(height, width) // 3)
    spans = []
    for axis, length in ((2, height), (3, width)):
        weight = mask.sum(dim=5 - axis).flatten() + 1e-6  # over the other side: (length,)
        centre = (weight * torch.arange(length)).sum() / weight.sum()
        start = int((centre + 0.5 - side / 2).round().clamp(0, length - side))
        spans.append(slice(start, start + side))
    return spans[0], spans[1]


def _pixels(image: Tensor) -> np.ndarray:
    return image[0].permute(1, 2, 0).clamp(0, 1).numpy()  # (1, 3, H, W) -> (H, W, 3)
