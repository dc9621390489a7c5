"""Curves over bandwidth in the format of CompressAI's results, for its plotting tools.

A link sends symbols, not bits. `bpp` counts what an ideal code would carry in as many channel uses,
`3 CBR C` with the capacity `C` of the channel in bits per use: the curve of HEVC at capacity is
then that of HEVC itself, and a link stands left of it where it needs less bandwidth.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from lrisc_system.baselines import awgn_capacity, rayleigh_capacity
from lrisc_system.evaluation.links.registry import LINKS
from lrisc_system.evaluation.settings import EvaluateSettings
from lrisc_system.evaluation.summary import Summary
from lrisc_system.radio.fading import Fading
from lrisc_system.storage.files import write_atomically

RD_FOLDER = "rd"
KEYS = {
    "psnr-rgb": "psnr",
    "ms-ssim-rgb": "ms_ssim",
    "lpips-alex": "lpips_alex",
    "lpips-vgg": "lpips_vgg",
    "dists": "dists",
    "kid-vgg": "kid_vgg",
    "delivered": "delivered",
}


def write_curves(
    summaries: Sequence[Summary], settings: EvaluateSettings, folder: Path, *, title: str
) -> None:
    """Write one file for each link, `rd/<link>.json`.

    Args:
        summaries: of the points of Figure 6, by rising bandwidth.
        settings: of the evaluation.
        folder: of the evaluation.
        title: what the evaluation was of.
    """
    snr_db = settings.bandwidths_snr_db
    # Rayleigh block fading has no capacity; the mean over fades stands in for it.
    fades = settings.fading is not Fading.none
    capacity = rayleigh_capacity(snr_db) if fades else awgn_capacity(snr_db)
    (folder / RD_FOLDER).mkdir(exist_ok=True)
    for link in dict.fromkeys(summary.link for summary in summaries):
        line = [summary for summary in summaries if summary.link == link]
        cbr = [summary.figures["cbr"].mean for summary in line]
        results = {"bpp": [3 * capacity * value for value in cbr], "cbr": cbr}
        for key, name in KEYS.items():
            values = [summary.mean(name) for summary in line]
            if all(map(math.isfinite, values)):
                results[key] = values
        content = {
            "name": LINKS[link].title,
            "description": f"{title}; bpp = 3 CBR * {capacity:.4f} bits per channel use",
            "results": results,
        }
        path = folder / RD_FOLDER / f"{link}.json"
        write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
