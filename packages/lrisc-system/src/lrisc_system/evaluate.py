"""Measure a model on a folder of images, over SNRs and bandwidths."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Generator

from lrisc_system.checkpoint import SHIPPED, load_model
from lrisc_system.data import find_masks, list_images
from lrisc_system.images import load_image, load_mask
from lrisc_system.metrics import evaluate_pair
from lrisc_system.validation import centre_crop

RESULTS_NAME = "results.csv"


@dataclass(frozen=True)
class EvaluateSettings:
    """One evaluation.

    Args:
        data: folder of images; Kodak in the paper.
        out: folder for `results.csv`.
        masks: folder of saliency maps `stem.png`; the classical detector by default.
        checkpoint: folder with config.json and model.safetensors; the shipped one by default.
        snr_db: SNRs of the AWGN channel in dB.
        cbr: bandwidths not to exceed, side information included.
        crop: side of a centre crop; whole images by default.
        alpha: weight of the background, Eq. (3); the model's by default.
        steps: diffusion steps; the model's by default.
        seed: of the channel noise.
    """

    data: Path
    out: Path
    masks: Path | None = None
    checkpoint: Path = SHIPPED
    snr_db: tuple[float, ...] = (1.0, 4.0, 7.0, 10.0, 13.0, 19.0)
    cbr: tuple[float, ...] = (1 / 48, 1 / 24)
    crop: int | None = None
    alpha: float | None = None
    steps: int | None = None
    seed: int = 0


@torch.no_grad()
def evaluate(settings: EvaluateSettings, *, console: Console) -> list[dict[str, object]]:
    """Transmit every image at every SNR and bandwidth; write the figures and print their means.

    Returns:
        One row per image, SNR and bandwidth, as in `results.csv`.

    Raises:
        ValueError: if the folder holds no image or a mask is missing.
    """
    photos = list_images(settings.data)
    masks = None if settings.masks is None else find_masks(photos, settings.masks)
    system = load_model(settings.checkpoint)
    rows: list[dict[str, object]] = []
    for index, photo in enumerate(track(photos, "Transmitting", console=console)):
        image = load_image(photo)
        extent = (image.shape[-2], image.shape[-1])
        saliency = system.detector(image) if masks is None else load_mask(masks[index], extent)
        if settings.crop is not None:
            image, saliency = (centre_crop(x, size=settings.crop) for x in (image, saliency))
        mask = system.smooth_mask(saliency)
        for cbr in settings.cbr:
            for snr_db in settings.snr_db:
                received, packet = system.transmit(
                    image,
                    snr_db,
                    cbr=cbr,
                    alpha=settings.alpha,
                    saliency=saliency,
                    steps=settings.steps,
                    generator=Generator().manual_seed(settings.seed + index),
                )
                metrics = evaluate_pair(image, received, mask=mask)
                row = {"image": photo.stem, "snr_db": snr_db, "cbr_budget": round(cbr, 6)}
                rows.append({**row, "cbr": packet.cbr(snr_db), **asdict(metrics)})
    settings.out.mkdir(parents=True, exist_ok=True)
    with (settings.out / RESULTS_NAME).open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    console.print(means_table(rows))
    return rows


def means_table(rows: list[dict[str, object]]) -> Table:
    """Average the rows over the images, for each bandwidth and SNR."""
    figures = [name for name in rows[0] if name not in ("image", "snr_db", "cbr_budget")]
    table = Table("CBR <=", "SNR dB", *figures, title="Mean over the images")
    for budget, snr_db in dict.fromkeys((row["cbr_budget"], row["snr_db"]) for row in rows):
        group = [r for r in rows if (r["cbr_budget"], r["snr_db"]) == (budget, snr_db)]
        means = [mean(float(str(row[name])) for row in group) for name in figures]
        table.add_row(f"{budget:.4f}", f"{snr_db:g}", *(f"{value:.4f}" for value in means))
    return table
