"""Image quality on held-out photos, with real packets and real side information."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lrisc_system.data.images import ImageError, load_image, load_mask
from lrisc_system.limits import MAX_PIXELS
from lrisc_system.link import Link
from lrisc_system.losses import Perceptual
from lrisc_system.metrics.quality import psnr
from roi_saliency import SaliencyDetector


@dataclass(frozen=True)
class Validation:
    """Means over the held-out photos at one SNR."""

    snr_db: float
    cbr: float
    psnr: float
    lpips: float
    sources: list[Tensor]  # as sent, (1, 3, H, W) each
    images: list[Tensor]  # as received

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
        detector: saliency detector, without masks.
        perceptual: image batches in [0, 1] -> distance (B,).
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
        quality = [psnr(image, arrival.image), perceptual(image, arrival.image)]
        figures.append([arrival.cbr, *(value.item() for value in quality)])
        sources.append(image.cpu())
        received.append(arrival.image.cpu())
    if not figures:
        return None
    means = torch.tensor(figures).mean(dim=0).tolist()
    return Validation(
        snr_db=snr_db,
        cbr=means[0],
        psnr=means[1],
        lpips=means[2],
        sources=sources,
        images=received,
    )


def centre_crop(image: Tensor, *, size: int) -> Tensor:
    """Cut the centre square, or what there is of it: (..., H, W) -> (..., <= size, <= size)."""
    top, left = (max(0, (side - size) // 2) for side in image.shape[-2:])
    return image[..., top : top + size, left : left + size]
