"""The command ``snr-modulation check``: print tables and write a plot."""

import traceback
import warnings
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from snr_modulation.link_check import CheckConfig, check
from snr_modulation.report import format_report, plot_report
from snr_modulation.synthetic import synthetic_images
from snr_modulation.user_code import load_callable

FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
Image.init()  # registers the formats
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Tools for SNR-adaptive feature modulation."""


@app.command("check")
def check_command(
    link: Annotated[str, typer.Argument(help="Link as module:name, (images, snr_db) -> images.")],
    images: Annotated[Path | None, typer.Option(help="Folder of images.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of images.")] = 8,
    size: Annotated[int, typer.Option(min=1, help="Side of the centre crop in pixels.")] = 128,
    mismatched: Annotated[
        str | None, typer.Option(help="module:name, (images, snr_db, estimate_db) -> images.")
    ] = None,
    plot: Annotated[Path, typer.Option(help="Write the plot here.")] = Path("snr_check.png"),
    per_sample_snr: Annotated[
        bool,
        typer.Option(
            "--per-sample-snr/--one-snr", help="Pass the SNR as a tensor (B,), or as one number."
        ),
    ] = True,
    repeats: Annotated[int, typer.Option(min=1, help="Noise realisations per point.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the noise.")] = 0,
    trace: Annotated[
        bool, typer.Option("--traceback", help="Show where an error arose, call by call.")
    ] = False,
) -> None:
    """Check a link: PSNR over SNR, dependence on the batch, the loss from a wrong SNR.

    Without --images, the check uses synthetic images. The exit code is 0 without a fault, 1 with
    a fault, 2 if the link could not be measured.
    """
    try:
        check_plot(plot)
        checked = load_callable(link)
        estimating = None if mismatched is None else load_callable(mismatched)
        batch = (
            synthetic_images(count, size=size)
            if images is None
            else load_images(images, count=count, size=size)
        )
        report = check(
            checked,
            batch,
            CheckConfig(per_sample_snr=per_sample_snr, repeats=repeats, seed=seed),
            mismatched=estimating,
        )
        plot_report(report).savefig(plot, dpi=120)
    except (ValueError, OSError) as error:
        if trace:
            traceback.print_exception(error)
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(format_report(report))
    typer.echo(f"plot: {plot}")
    raise typer.Exit(0 if report.passed else 1)


def check_plot(path: Path) -> None:
    """Check that a plot can be written, before it is measured what it shows.

    Raises:
        ValueError: if its folder is missing or its suffix is no format.
    """
    formats = sorted(Figure().canvas.get_supported_filetypes())
    if path.suffix.lower().removeprefix(".") not in formats:
        raise ValueError(f"expected a plot of {', '.join(formats)}, got {path}")
    if not path.parent.is_dir() or path.is_dir():
        raise ValueError(f"expected a file in an existing folder for the plot, got {path}")


def load_images(folder: Path, *, count: int, size: int) -> Tensor:
    """Load the centre crops of the first images of a folder, by name; skip other files.

    Images are rotated by their EXIF tag; transparent pixels are put on white. Only common formats
    are opened, and none of more pixels than Pillow's limit.

    Returns:
        (B, 3, size, size) in [0, 1].

    Raises:
        ValueError: if there is no such folder, no image in it, or one is damaged, smaller than the
            crop or has greys of more than 8 bits.
    """
    if not folder.is_dir():
        raise ValueError(f"expected a folder of images, got {folder}")
    crops: list[Tensor] = []
    for path in sorted(folder.iterdir()):
        if len(crops) == count:
            break
        if not path.is_file() or path.name.startswith("."):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = ImageOps.exif_transpose(Image.open(path, formats=FORMATS))
        except UnidentifiedImageError:
            continue
        except Exception as error:  # damaged files raise errors of any type
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"expected a sound image, got {path}: {reason}") from error
        if image.mode == "F" or image.mode.startswith("I"):  # Pillow would clip them to 8 bits
            raise ValueError(f"expected images of 8 bits, got mode {image.mode} {path}")
        if min(image.size) < size:
            raise ValueError(f"expected images of at least {size} pixels, got {image.size} {path}")
        left, top = (image.width - size) // 2, (image.height - size) // 2
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        crop = np.asarray(image.convert("RGB").crop((left, top, left + size, top + size)))
        crops.append(torch.from_numpy(crop.copy()).permute(2, 0, 1) / 255)  # (H, W, 3)
    if not crops:
        raise ValueError(f"expected images in {folder}, got none")
    return torch.stack(crops)
