"""`lrisc demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import arg

from lrisc_system.limits import MAX_PIXELS
from lrisc_system.options import (
    Bandwidth,
    Checkpoint,
    Device,
    MaxPixels,
    Model,
    Realism,
    RealismROI,
    Seed,
)
from lrisc_system.storage.shipped import SHIPPED


def demo(
    *,
    out: Path = Path("out"),
    photo: Annotated[
        Path | None, arg(metavar="FILE", help_behavior_hint="(default: a photo that ships)")
    ] = None,
    cbr: Bandwidth = 1 / 24,
    realism: Realism = 0.0,
    realism_roi: RealismROI = None,
    checkpoint: Checkpoint = SHIPPED,
    model: Model = None,
    device: Device = None,
    seed: Seed = 0,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Send a photo at 1, 10 and 19 dB and draw the results.

    Args:
        out: Write the pictures to this folder.
        photo: Image file to send.
        cbr: Largest CBR, side information included.
    """
    from lrisc_system.commands.demo import run_demo
    from lrisc_system.commands.models import open_link
    from lrisc_system.commands.outputs import check_output_folder
    from lrisc_system.data.images import load_image
    from lrisc_system.devices import find_device
    from lrisc_system.lrisc_link import with_realism
    from lrisc_system.realism import check_realism

    check_output_folder(out)
    if photo is not None:
        load_image(photo)  # before a model is read
    found = find_device(device)
    check_realism(realism, realism_roi)
    link, detector = open_link(model, checkpoint, device=found)
    run_demo(
        with_realism(link, realism=realism, realism_roi=realism_roi),
        detector=detector,
        device=found,
        out=out,
        photo=photo,
        cbr=cbr,
        seed=seed,
        max_pixels=max_pixels,
        console=Console(),
    )
