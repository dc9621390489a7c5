"""Image quality on held-out photos, with real packets and real side information."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lrisc_system.data.images import ImageError, load_image, load_mask
from lrisc_system.limits import MAX_PIXELS
from lrisc_system.link import Link
from lrisc_system.losses import Perceptual
from lrisc_system.metrics.feature_distances import kernel_distance
from lrisc_system.metrics.grid import PERIODS, residual_by_phase, set_amplitude
from lrisc_system.metrics.quality import psnr, round_to_8_bits
from lrisc_system.metrics.roi_consistency import roi_iou
from lrisc_system.metrics.vgg import VGGMetrics
from roi_saliency import SaliencyDetector


@dataclass(frozen=True)
class Validation:
    """The figures of the held-out photos at one SNR: means, and KID and grid of all as one set.

    Figures that could not be measured are NaN: DISTS and KID-VGG without VGG16, a grid without flat
    areas. There is no FD-VGG, for it wants more patches than a few photos have.
    """

    snr_db: float
    cbr: float
    psnr: float
    lpips: float
    roi_iou: float
    grid_2: float
    grid_4: float
    grid_8: float
    grid_16: float
    sources: list[Tensor]  # as sent, (1, 3, H, W) each
    images: list[Tensor]  # as received
    dists: float = math.nan
    kid_vgg: float = math.nan

    def figures(self) -> dict[str, float]:
        """List the figures that were measured, by their names."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: v for k, v in values.items() if isinstance(v, float) and not math.isnan(v)}

    def grid(self) -> Tensor:
        """Make a grid of the images: sent above, received below, (1, 3, 2 H, sum of W)."""
        height = max(image.shape[-2] for image in self.sources)
        rows = [
            torch.cat([F.pad(x, (0, 0, 0, height - x.shape[-2])) for x in row], dim=-1)
            for row in (self.sources, self.images)
        ]
        return torch.cat(rows, dim=-2)


@torch.no_grad()
def validate(
    link: Link,
    photos: Sequence[Path],
    masks: Sequence[Path] | None,
    *,
    detector: SaliencyDetector,
    perceptual: Perceptual,
    vgg_metrics: VGGMetrics | None = None,
    device: torch.device,
    snr_db: float = 10.0,
    size: int = 256,
    seed: int = 0,
    max_pixels: int = MAX_PIXELS,
    skipped: Callable[[Sequence[str]], None],
) -> Validation | None:
    """Send the centre crop of every photo at the link's own bandwidth and measure what arrives.

    Photos that cannot be read are left out.

    Args:
        link: of the model.
        photos: image files.
        masks: saliency maps of the photos; None to detect them.
        detector: saliency detector, of the received images and, without masks, of the photos.
        perceptual: image batches in [0, 1] -> distance (B,).
        vgg_metrics: the metrics on VGG16, if its weights are there.
        device: of the model.
        snr_db: of the channel.
        size: side of the crops.
        seed: of the channel.
        max_pixels: largest image to decode.
        skipped: is called with the errors of the photos that are left out.

    Returns:
        The means, or None if no photo can be read.
    """
    figures, sources, received = [], [], []
    for index, photo in enumerate(photos):
        try:
            image = load_image(photo, max_pixels=max_pixels)
            extent = (image.shape[-2], image.shape[-1])
            saliency = (
                detector(image)
                if masks is None
                else load_mask(masks[index], extent, max_pixels=max_pixels)
            )
        except ImageError as error:
            skipped([str(error)])
            continue
        image, saliency = (
            centre_crop(tensor, size=size).to(device) for tensor in (image, saliency)
        )
        noise = Generator().manual_seed(seed + index)
        arrival = link.transmit(image, snr_db, cbr=None, saliency=saliency, generator=noise)
        arrived = round_to_8_bits(arrival.image)
        regions = (detector(x.cpu()) for x in (image, arrived))
        quality = {
            "psnr": psnr(image, arrived),
            "lpips": perceptual(image, arrival.image),
            "roi_iou": roi_iou(*regions),
        }
        if vgg_metrics is not None:
            quality["dists"] = vgg_metrics.dists(image, arrived)
        figures.append({"cbr": arrival.cbr, **{k: v.item() for k, v in quality.items()}})
        sources.append(image)
        received.append(arrived)
    if not figures:
        return None
    means = {name: sum(each[name] for each in figures) / len(figures) for name in figures[0]}
    return Validation(
        snr_db=snr_db,
        **means,
        kid_vgg=math.nan if vgg_metrics is None else _set_kid(sources, received, vgg_metrics),
        **{f"grid_{period}": _set_grid(sources, received, period) for period in PERIODS},
        sources=[image.cpu() for image in sources],
        images=[image.cpu() for image in received],
    )


def describe_validation(figures: Mapping[str, float]) -> str:
    """Write the main figures of a validation as a line of text.

    Args:
        figures: as `Validation.figures` lists them; those that are missing are left out.
    """
    shown = {
        "psnr": "{:.2f} dB",
        "lpips": "LPIPS {:.3f}",
        "dists": "DISTS {:.3f}",
        "kid_vgg": "KID-VGG {:.3f}",
        "grid_16": "grid {:.2f}",
    }
    parts = [text.format(figures[name]) for name, text in shown.items() if name in figures]
    return f"{', '.join(parts)} at CBR {figures['cbr']:.4f}, {figures['snr_db']:g} dB"


def _set_kid(sources: list[Tensor], received: list[Tensor], metrics: VGGMetrics) -> float:
    """KID-VGG of all patches, NaN where the crops have fewer than two."""
    x, y = (torch.cat([metrics.patches(image) for image in each]) for each in (sources, received))
    return kernel_distance(x, y) if len(x) >= 2 else math.nan


def _set_grid(sources: list[Tensor], received: list[Tensor], period: int) -> float:
    """Grid of all crops of at least a period."""
    return set_amplitude(
        [
            residual_by_phase(x, x_hat, period=period)
            for x, x_hat in zip(sources, received, strict=True)
            if min(x.shape[-2:]) >= period
        ]
    )


def centre_crop(image: Tensor, *, size: int) -> Tensor:
    """Cut the centre square, or what there is of it: (..., H, W) -> (..., <= size, <= size)."""
    top, left = (max(0, (side - size) // 2) for side in image.shape[-2:])
    return image[..., top : top + size, left : left + size]
