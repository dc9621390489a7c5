"""The figures of a whole set of images: KID-VGG, FD-VGG and the grid, for each link at each point.

They are computed once a set is complete, and kept in `sets/figures.jsonl`; then the samples that
they were computed from are deleted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from lrisc_system.evaluation.set_samples import SETS_FOLDER, SampleFolder, SetSample
from lrisc_system.evaluation.settings import Point
from lrisc_system.evaluation.statistics import Estimate
from lrisc_system.evaluation.summary import Summary
from lrisc_system.metrics.feature_distances import frechet_distance, kernel_distance
from lrisc_system.metrics.grid import PERIODS, set_amplitude
from lrisc_system.storage.files import write_atomically

FIGURES_NAME = "figures.jsonl"

SetFigures = dict[tuple[str, Point], dict[str, float]]
"""Link and point -> the figures of its set, by their names."""


def add_set_figures(
    summaries: Sequence[Summary], folder: Path, *, images: Sequence[str]
) -> list[Summary]:
    """Add the figures of the set to each summary whose samples are all there.

    The sets are those of the first draw of the channel. Their figures have no intervals.

    Args:
        summaries: of the rows of this evaluation.
        folder: of the evaluation.
        images: names of all.
    """
    samples, path = SampleFolder(folder), folder / SETS_FOLDER / FIGURES_NAME
    known = read_set_figures(path)
    sources: list[SetSample] | None = None
    added = []
    for summary in summaries:
        link, point = summary.link, summary.point
        if (link, point) not in known:
            received = samples.read(list(images), link=link, point=point)
            if len(received) < len(images):  # rows of a version without these figures
                added.append(summary)
                continue
            if sources is None:
                sources = samples.read_sources(list(images))
            known[link, point] = measure_set(sources, received)
            write_set_figures(known, path)
        samples.remove(link=link, point=point)
        means = known[link, point].items()
        estimates = {name: Estimate(mean, math.nan, math.nan) for name, mean in means}
        added.append(replace(summary, figures={**summary.figures, **estimates}))
    return added


def measure_set(sources: Sequence[SetSample], received: Sequence[SetSample]) -> dict[str, float]:
    """Compute the figures of a set, NaN where there are too few patches or no flat area.

    Args:
        sources: samples of the original images; none without VGG16.
        received: samples of what arrived of them.
    """
    originals, arrived = (join_features(samples) for samples in (sources, received))
    there = min(len(originals), len(arrived)) >= 2
    figures = {
        "kid_vgg": kernel_distance(originals, arrived) if there else math.nan,
        "fd_vgg": frechet_distance(originals, arrived) if there else math.nan,
    }
    for period in PERIODS:
        pairs = [sample.patterns[period] for sample in received if period in sample.patterns]
        figures[f"grid_{period}"] = set_amplitude(pairs)
    return figures


def join_features(samples: Sequence[SetSample]) -> Tensor:
    """Join the features of all patches: (N, 1024) each -> (sum of N, 1024)."""
    found = [sample.features for sample in samples if sample.features is not None]
    return torch.cat(found) if found else torch.zeros(0, 1)


def write_set_figures(known: SetFigures, path: Path) -> None:
    """Store the figures of all sets: one line of JSON each."""
    lines = [
        {"link": link, "point": asdict(point), "figures": figures}
        for (link, point), figures in known.items()
    ]
    write_atomically(path, "".join(json.dumps(line) + "\n" for line in lines).encode())


def read_set_figures(path: Path) -> SetFigures:
    """Read the figures that were computed earlier.

    Raises:
        ValueError: if the file is not one that `write_set_figures` wrote.
    """
    try:
        lines = (
            [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        )
        return {
            (str(line["link"]), Point(**line["point"])): {
                name: float(value) for name, value in line["figures"].items()
            }
            for line in lines
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected the figures of sets, cannot read it") from error
