"""`lrisc evaluate`."""

from __future__ import annotations

from typing import Annotated

from rich.console import Console
from tyro.conf import arg

from lrisc_system.evaluation.settings import EvaluateSettings


def evaluate(settings: Annotated[EvaluateSettings, arg(name="")]) -> None:
    """Compare links on a folder of images.

    The links are LRISC, DeepJSCC, a linear link and HEVC + LDPC. Every link sends every image at
    several SNRs and at several bandwidths, over AWGN or Rayleigh fading. The folder then holds
    results.csv (every transmission), summary.csv (means with two 95% intervals: over draws of the
    channel, over images), tables.md, rd/ (curves in CompressAI's format), quality-over-snr,
    quality-over-cbr and pictures (PNG and SVG). The same command continues an interrupted run.
    `accelerate launch -m lrisc_system.evaluation` takes the same options and shares the images
    among processes.
    """
    from lrisc_system.commands.models import open_model
    from lrisc_system.commands.outputs import check_output_folder
    from lrisc_system.evaluation.run import evaluate

    check_output_folder(settings.out)
    evaluate(settings, console=Console(), open_model=open_model)
