"""A demonstration: send one photo at three SNRs and draw the received images."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from torch import Generator

from lrisc_system.commands.tables import Result, metrics_table, save_comparison
from lrisc_system.data.images import load_image, save_image
from lrisc_system.limits import MAX_PIXELS
from lrisc_system.link import Link
from lrisc_system.metrics.quality import evaluate_pair
from roi_saliency import SaliencyDetector

PHOTO = Path(__file__).parents[1] / "assets" / "coffee.jpg"
SNRS_DB = (1.0, 10.0, 19.0)
SHOWN_DB = 10.0


def run_demo(
    link: Link,
    *,
    detector: SaliencyDetector,
    device: torch.device | str = "cpu",
    out: Path,
    photo: Path | None,
    cbr: float,
    seed: int = 0,
    max_pixels: int = MAX_PIXELS,
    console: Console,
) -> list[Result]:
    """Transmit a photo at 1, 10 and 19 dB and write the pictures.

    `out` gets `received.png` (10 dB), `roi.png` (the saliency S of Eq. (1)) and `comparison.png`.

    Args:
        link: link that sends the photo.
        detector: saliency detector.
        device: device of the link's model.
        out: folder for the pictures.
        photo: image file; None for the photo that ships.
        cbr: largest CBR, side information included.
        seed: seed of the channel's noise.
        max_pixels: largest photo to decode.
        console: console to print the table on.
    """
    source = load_image(PHOTO if photo is None else photo, max_pixels=max_pixels)
    saliency = detector(source)
    results = []
    for snr_db in SNRS_DB:
        noise = Generator().manual_seed(seed)
        arrival = link.transmit(
            source.to(device), snr_db, cbr=cbr, saliency=saliency.to(device), generator=noise
        )
        image = arrival.image.cpu()
        results.append(Result(snr_db, arrival.cbr, evaluate_pair(source, image), image))
    out.mkdir(parents=True, exist_ok=True)
    shown = next(result for result in results if result.snr_db == SHOWN_DB)
    save_image(shown.image, out / "received.png")
    save_image(saliency.expand(-1, 3, -1, -1), out / "roi.png")
    save_comparison(source, saliency, results, out / "comparison.png")
    console.print(metrics_table(results))
    console.print(f"Pictures: {out / 'comparison.png'}, {out / 'received.png'}, {out / 'roi.png'}")
    return results
