"""The command ``roi-saliency``: compute the masks of a folder of photos once, offline."""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track

from roi_saliency.detectors import BarrierDetector, SaliencyDetector, SpectralResidualDetector
from roi_saliency.gcpanet import GCPANet
from roi_saliency.images import IMAGE_SUFFIXES, load_image, save_mask
from roi_saliency.onnx import ONNXDetector

app = typer.Typer(add_completion=False, no_args_is_help=True)
console = Console(stderr=True, highlight=False)


class DetectorName(str, Enum):
    """What ``--detector`` accepts."""

    BARRIER = "barrier"
    SPECTRAL_RESIDUAL = "spectral-residual"
    GCPANET = "gcpanet"
    ONNX = "onnx"


WITHOUT_WEIGHTS: dict[DetectorName, Callable[[], SaliencyDetector]] = {
    DetectorName.BARRIER: BarrierDetector,
    DetectorName.SPECTRAL_RESIDUAL: SpectralResidualDetector,
}
WITH_WEIGHTS: dict[DetectorName, Callable[[Path], SaliencyDetector]] = {
    DetectorName.GCPANET: GCPANet.load,
    DetectorName.ONNX: ONNXDetector,
}


@app.callback()
def _commands() -> None:
    """Saliency detection and region-of-interest masks."""


@app.command()
def masks(
    images: Annotated[Path, typer.Argument(help="Folder of photos.")],
    out: Annotated[
        Path, typer.Argument(help="Write the masks to this folder; it is created if missing.")
    ],
    detector: Annotated[
        DetectorName, typer.Option(help="Saliency detector.")
    ] = DetectorName.BARRIER,
    weights: Annotated[
        Path | None, typer.Option(help="Weights file of the network, for gcpanet and onnx.")
    ] = None,
) -> None:
    """Write an 8-bit PNG mask of the same stem for every photo of a folder.

    Existing masks are kept, so an interrupted run can be repeated. Files that cannot be read are
    skipped and listed at the end.
    """
    try:
        photos = find_photos(images, out)
        detect = build_detector(detector, weights)
    except (ValueError, ImportError) as error:
        console.print(f"roi-saliency: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    out.mkdir(parents=True, exist_ok=True)
    written = kept = 0
    skipped: list[str] = []
    for photo in track(photos, description="Masks", console=console):
        target = out / f"{photo.stem}.png"
        if target.exists():
            kept += 1
            continue
        try:
            image = load_image(photo)
        except ValueError as error:
            skipped.append(str(error))
            continue
        with torch.inference_mode():
            save_mask(detect(image), target)
        written += 1
    for reason in skipped:
        console.print(f"skipped: {reason}", markup=False, soft_wrap=True)
    console.print(f"{written} written, {kept} already there, {len(skipped)} skipped")
    if written + kept == 0:
        console.print(
            f"roi-saliency: expected a readable photo in {images}", markup=False, soft_wrap=True
        )
        raise typer.Exit(1)


def find_photos(folder: Path, out: Path) -> list[Path]:
    """List the image files of a folder by name; each must have a mask name of its own.

    Raises:
        ValueError: The folder is missing, empty or the same as ``out``, or two photos share a
            stem.
    """
    if not folder.is_dir():
        raise ValueError(f"expected a folder of photos, got {folder}")
    if folder.resolve() == out.resolve():
        raise ValueError(f"expected another folder for the masks than for the photos, got {folder}")
    photos = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )
    if not photos:
        raise ValueError(f"expected photos in {folder}, got none")
    by_stem: dict[str, Path] = {}
    for photo in photos:
        other = by_stem.setdefault(photo.stem, photo)
        if other is not photo:
            raise ValueError(f"expected different stems, got {other.name} and {photo.name}")
    return photos


def build_detector(name: DetectorName, weights: Path | None) -> SaliencyDetector:
    """Build the detector of that name.

    Raises:
        ValueError: The detector needs a file and got none, or needs none and got one.
        ImportError: The detector needs a package that is not installed.
    """
    if weights is not None:
        if name not in WITH_WEIGHTS:
            raise ValueError(f"expected no --weights for the detector {name.value}, got {weights}")
        return WITH_WEIGHTS[name](weights)
    if name not in WITHOUT_WEIGHTS:
        raise ValueError(f"expected --weights FILE for the detector {name.value}, got none")
    return WITHOUT_WEIGHTS[name]()


def main() -> None:
    """Run the command."""
    app()
