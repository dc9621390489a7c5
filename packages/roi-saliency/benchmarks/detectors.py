"""Compare the classical detectors with masks of a better detector.

python packages/roi-saliency/benchmarks/detectors.py PHOTOS MASKS [--held-out] [--onnx FILE]

PHOTOS and MASKS are folders with the same stems; masks are 8-bit PNG files. ``--held-out`` uses
only the half of the photos on which the default detector's curve was not fitted.
"""

import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from roi_saliency import BarrierDetector, ONNXDetector, SpectralResidualDetector, gaussian_kernel
from roi_saliency.images import load_image

SIDE = 64  # maps are compared on a square of this side


def is_held_out(stem: str) -> bool:
    """Split by name: the curve was fitted on the stems with an even checksum."""
    return zlib.crc32(stem.encode()) % 2 == 1


def centre_only(image: Tensor) -> Tensor:
    """Return a map of the centre, without looking at the image."""
    side = 64
    kernel = gaussian_kernel(side, sigma=0.25 * side)
    height, width = image.shape[-2:]
    guess = F.interpolate((kernel / kernel.max())[None, None], (height, width), mode="bilinear")
    return guess.expand(image.shape[0], 1, height, width)


def nothing(image: Tensor) -> Tensor:
    """Return an empty map."""
    return torch.zeros_like(image[:, :1])


def f_measure(precision: Tensor, recall: Tensor) -> Tensor:
    """F-measure with beta^2 = 0.3, Achanta et al., CVPR 2009."""
    return 1.3 * precision * recall / (0.3 * precision + recall).clamp_min(1e-9)


def precision_recall(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Precision and recall (n,) of boolean maps (n, P)."""
    hits = (found & truth).sum(dim=1)
    return hits / found.sum(dim=1).clamp_min(1), hits / truth.sum(dim=1).clamp_min(1)


def area_under_curve(saliency: Tensor, truth: Tensor) -> Tensor:
    """Probability (n,) that an object pixel scores above one outside; maps (n, P)."""
    ordered = saliency.sort(dim=1).values
    below = torch.searchsorted(ordered, saliency)
    not_above = torch.searchsorted(ordered, saliency, right=True)
    ranks = (below + not_above + 1) / 2  # ties share their mean rank
    inside = truth.sum(dim=1)
    outside = truth.shape[1] - inside
    return ((ranks * truth).sum(dim=1) - inside * (inside + 1) / 2) / (inside * outside)


def figures(saliency: Tensor, reference: Tensor) -> list[float]:
    """MAE, F at twice the mean, the best F over all thresholds, and AUC; maps (n, P)."""
    error = (saliency - reference).abs().mean().item()
    truth = reference > 0.5
    share = truth.float().mean(dim=1)
    usable = (share > 0.01) & (share < 0.99)  # F and AUC need an object and a background
    saliency, truth = saliency[usable], truth[usable]
    adaptive = (2 * saliency.mean(dim=1, keepdim=True)).clamp(1e-3, 0.95)
    f_adaptive = f_measure(*precision_recall(saliency >= adaptive, truth)).mean()
    curves = [precision_recall(saliency >= t / 100, truth) for t in range(1, 100)]
    f_best = max(f_measure(p.mean(), r.mean()).item() for p, r in curves)
    return [error, f_adaptive.item(), f_best, area_under_curve(saliency, truth).mean().item()]


def main(
    photos: Annotated[Path, typer.Argument()],
    masks: Annotated[Path, typer.Argument()],
    held_out: Annotated[bool, typer.Option("--held-out")] = False,
    onnx: Annotated[Path | None, typer.Option(help="U2-Net file.")] = None,
) -> None:
    """Print one row of figures per detector."""
    torch.set_num_threads(1)
    detectors: dict[str, Callable[[Tensor], Tensor]] = {
        "nothing": nothing,
        "centre only": centre_only,
        "spectral residual": SpectralResidualDetector(),
        "barrier, no centre": BarrierDetector(centre_sigma=1e3),
        "barrier (default)": BarrierDetector(),
    }
    if onnx is not None:
        detectors["ONNX file"] = ONNXDetector(onnx)
    pairs = [(photo, masks / f"{photo.stem}.png") for photo in sorted(photos.iterdir())]
    pairs = [(p, m) for p, m in pairs if m.exists() and (not held_out or is_held_out(p.stem))]
    found: dict[str, list[Tensor]] = {name: [] for name in detectors}
    seconds = dict.fromkeys(detectors, 0.0)
    references = []
    for photo, mask in track(pairs, console=Console(stderr=True)):
        image = load_image(photo)
        references.append(F.interpolate(load_image(mask)[:, :1], (SIDE, SIDE), mode="area"))
        for name, detect in detectors.items():
            start = time.perf_counter()
            saliency = detect(image)
            seconds[name] += time.perf_counter() - start
            found[name].append(F.interpolate(saliency, (SIDE, SIDE), mode="area"))
    reference = torch.cat(references).flatten(1)
    title = f"{len(pairs)} photos"
    table = Table("detector", "MAE", "F, adaptive", "F, best", "AUC", "ms an image", title=title)
    for name, maps in found.items():
        row = figures(torch.cat(maps).flatten(1), reference)
        ms = 1000 * seconds[name] / len(pairs)
        table.add_row(name, *(f"{value:.3f}" for value in row), f"{ms:.1f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
