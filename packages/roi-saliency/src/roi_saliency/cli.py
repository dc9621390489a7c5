"""The command ``roi-saliency``: compute the masks of a folder of photos once, offline."""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track

from roi_saliency.decoding import MAX_PIXELS, ImageError
from roi_saliency.detectors import BarrierDetector, SaliencyDetector, SpectralResidualDetector
from roi_saliency.gcpanet import GCPANet
from roi_saliency.images import list_images, load_image, save_mask
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
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Skip photos that claim more pixels.")
    ] = MAX_PIXELS,
) -> None:
    """Write an 8-bit PNG mask for every photo of a folder and its subfolders.

    The masks lie as the photos do: `a/001.jpg` gets `a/001.png`. Existing masks are kept, so an
    interrupted run can be repeated. Files that cannot be read are skipped and listed at the end.
    """
    written = kept = 0
    skipped: list[str] = []
    try:
        targets = plan_masks(images, out)
        detect = build_detector(detector, weights)
        for target, photo in track(targets.items(), description="Masks", console=console):
            if target.exists():
                kept += 1
                continue
            try:
                image = load_image(photo, max_pixels=max_pixels)
            except ImageError as error:
                skipped.append(str(error))
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with torch.inference_mode():
                save_mask(detect(image), target)
            written += 1
    except (ValueError, ImportError, OSError) as error:
        console.print(f"roi-saliency: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    for reason in skipped:
        console.print(f"skipped: {reason}", markup=False, soft_wrap=True)
    console.print(f"{written} written, {kept} already there, {len(skipped)} skipped")
    if written + kept == 0:
        console.print(
            f"roi-saliency: expected a readable photo in {images}", markup=False, soft_wrap=True
        )
        raise typer.Exit(1)


def plan_masks(folder: Path, out: Path) -> dict[Path, Path]:
    """Pair the masks to write with the photos of a folder and its subfolders.

    Returns:
        Mask file -> photo.

    Raises:
        ValueError: The folder is missing, empty or the same as ``out``, or two photos would share
            a mask.
    """
    if folder.resolve() == out.resolve():
        raise ValueError(f"expected another folder for the masks than for the photos, got {folder}")
    targets: dict[Path, Path] = {}
    for photo in list_images(folder, without=[out]):
        inside = photo.relative_to(folder)
        target = out / inside.with_suffix(".png")
        other = targets.setdefault(target, photo)
        if other is not photo:
            raise ValueError(
                f"expected different stems, got {other.relative_to(folder)} and {inside}"
            )
    return targets


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
