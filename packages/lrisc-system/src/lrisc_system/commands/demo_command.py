"""`lrisc demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import arg

from lrisc_system.options import Bandwidth, Checkpoint, Device, Model, Seed
from lrisc_system.storage.shipped import SHIPPED


def demo(
    *,
    out: Path = Path("out"),
    photo: Annotated[
        Path | None, arg(metavar="FILE", help_behavior_hint="(default: a photo that ships)")
    ] = None,
    cbr: Bandwidth = 1 / 24,
    checkpoint: Checkpoint = SHIPPED,
    model: Model = None,
    device: Device = None,
    seed: Seed = 0,
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

    check_output_folder(out)
    if photo is not None:
        load_image(photo)  # before a model is read
    found = find_device(device)
    link, detector = open_link(model, checkpoint, device=found)
    run_demo(
        link,
        detector=detector,
        device=found,
        out=out,
        photo=photo,
        cbr=cbr,
        seed=seed,
        console=Console(),
    )
