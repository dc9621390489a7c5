"""The picture row: a few images received over each link at one very low bandwidth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from lrisc_system.data.images import load_image, save_image
from lrisc_system.evaluation.links.link import ComparedLink
from lrisc_system.evaluation.links.registry import LINKS
from lrisc_system.evaluation.measure import EvaluationImage
from lrisc_system.evaluation.settings import Point
from lrisc_system.evaluation.transmission import transmit
from lrisc_system.link import OutOfReachError
from lrisc_system.storage.files import write_atomically

PICTURES_FOLDER = "pictures"
SOURCE_NAME = "source.png"
SEED = 0
DEFAULT_COUNT = 3


@dataclass(frozen=True)
class Caption:
    """The text under a picture."""

    cbr: float
    delivered: bool
    psnr: float
    lpips_alex: float

    def __str__(self) -> str:
        lost = "" if self.delivered else "not delivered, "
        quality = f"{self.psnr:.2f} dB, LPIPS {self.lpips_alex:.3f}"
        return f"{lost}CBR {self.cbr:.4f}\n{quality}"


def choose_pictures(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Take the images that were named, or three spread over all.

    Raises:
        ValueError: naming one that is not there.
    """
    for name in wanted:
        if name not in names:
            raise ValueError(f"expected pictures of the images in the folder, got {name!r}")
    count = min(DEFAULT_COUNT, len(names))
    return list(wanted) or [names[index * len(names) // count] for index in range(count)]


def take_pictures(
    source: EvaluationImage, links: Mapping[str, ComparedLink], point: Point, folder: Path
) -> None:
    """Send an image by every link that could be built, and keep what arrives.

    A link that cannot be asked for the bandwidth takes its nearest. Pictures that are there stay.

    Args:
        source: the image.
        links: by name.
        point: channel and bandwidth.
        folder: of the evaluation.
    """
    target = folder / PICTURES_FOLDER / source.name
    target.mkdir(parents=True, exist_ok=True)
    save_image(source.image, target / SOURCE_NAME)
    size = (source.image.shape[-2], source.image.shape[-1])
    for name, link in links.items():
        if LINKS[name].bound or (target / f"{name}.json").exists():
            continue
        cbr = link.nearest_cbr(size, cbr=point.cbr, snr_db=point.snr_db)
        try:
            arrival = transmit(link, source, Point(point.snr_db, cbr), seed=SEED)
        except OutOfReachError:
            continue
        figures = source.measure(arrival.image)
        caption = Caption(arrival.cbr, arrival.delivered, figures.psnr, figures.lpips_alex)
        save_image(arrival.image, target / f"{name}.png")
        write_atomically(target / f"{name}.json", json.dumps(asdict(caption)).encode())


def draw_pictures(names: Sequence[str], folder: Path, *, title: str) -> Figure:
    """Lay the pictures side by side, the source first: one row for each image.

    Args:
        names: of images that `take_pictures` has seen.
        folder: of the evaluation.
        title: of the figure.
    """
    rows = [folder / PICTURES_FOLDER / name for name in names]
    links = [name for name in LINKS if any((row / f"{name}.json").exists() for row in rows)]
    sources = [load_image(row / SOURCE_NAME) for row in rows]
    heights = [source.shape[-2] / source.shape[-1] for source in sources]
    figure = Figure(
        figsize=(2.7 * (1 + len(links)), 2.62 * sum(heights) + 0.42 * len(rows) + 0.6),
        layout="constrained",
    )
    figure.suptitle(title)
    axes = figure.subplots(len(rows), 1 + len(links), squeeze=False, height_ratios=heights)
    for row, source, cells in zip(rows, sources, axes, strict=True):
        cells[0].imshow(_pixels(source))
        cells[0].set_xlabel(row.name)
        for name, cell in zip(links, cells[1:], strict=True):
            if (row / f"{name}.json").exists():
                caption = Caption(**json.loads((row / f"{name}.json").read_text()))
                cell.imshow(_pixels(load_image(row / f"{name}.png")))
                cell.set_xlabel(str(caption))
            else:
                cell.imshow(_pixels(source * 0 + 1))
                cell.set_xlabel("bandwidth out of reach")
    titles = ["source", *(LINKS[name].title for name in links)]
    colours = ["black", *(LINKS[name].colour for name in links)]
    for cell, text, colour in zip(axes[0], titles, colours, strict=True):
        cell.set_title(text, color=colour, fontsize=11)
    for cell in axes.flat:
        cell.set(xticks=[], yticks=[])
        cell.xaxis.label.set_fontsize(9)
        for spine in cell.spines.values():
            spine.set_visible(False)
    return figure


def _pixels(image: Tensor) -> np.ndarray:
    return image[0].permute(1, 2, 0).numpy()  # (1, 3, H, W) -> (H, W, 3)
