"""The means of every link at every point: `summary.csv`, and what tables and curves are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from lrisc_system.evaluation.rows import Row, write_table
from lrisc_system.evaluation.settings import Point
from lrisc_system.evaluation.statistics import Estimate, estimate

SUMMARY_NAME = "summary.csv"
KEYS = ("link", "image", "snr_db", "cbr_budget", "seed")


@dataclass(frozen=True)
class Summary:
    """The means of one link at one point.

    Args:
        link: name of the link.
        point: channel and bandwidth.
        images: how many.
        seeds: draws of the channel for each.
        figures: of every column of `results.csv` that is a figure, and of the set, by its name. One
            from an earlier version may lack some.
    """

    link: str
    point: Point
    images: int
    seeds: int
    figures: dict[str, Estimate]

    def mean(self, name: str) -> float:
        """Return the mean of a figure, NaN where it was not measured."""
        return self.figures[name].mean if name in self.figures else math.nan


def summarize(
    rows: Iterable[Row],
    *,
    links: Iterable[str],
    points: Iterable[Point],
    images: Sequence[str],
    seeds: int,
) -> list[Summary]:
    """Average over images and seeds where all are there; a part of the images compares with none.

    Args:
        rows: of the evaluation.
        links: names in their order.
        points: in their order.
        images: names of all.
        seeds: draws of the channel for each.
    """
    groups: dict[tuple[str, Point], dict[tuple[str, int], Row]] = {}
    known = set(images)  # rows of others may be left from an earlier start
    for row in rows:
        task = row.task
        if task.image not in known:
            continue
        groups.setdefault((task.link, task.point), {})[task.image, task.seed] = row
    summaries = []
    for key in product(links, points):
        group = groups.get(key, {})
        if len(group) == len(images) * seeds:
            table = [[group[image, seed].columns() for seed in range(seeds)] for image in images]
            names = [name for name in table[0][0] if name not in KEYS]
            figures = {
                name: estimate(np.array([[cell[name] for cell in row] for row in table], float))
                for name in names
            }
            summaries.append(Summary(*key, len(images), seeds, figures))
    return summaries


def write_summary(summaries: Iterable[Summary], folder: Path) -> None:
    """Write `summary.csv`: one line for each link, point and figure."""
    lines = [
        {
            "link": summary.link,
            "snr_db": summary.point.snr_db,
            "cbr_budget": summary.point.cbr,
            "images": summary.images,
            "seeds": summary.seeds,
            "figure": name,
            "mean": figure.mean,
            "ci95_channel": figure.ci95_channel,
            "ci95_images": figure.ci95_images,
        }
        for summary in summaries
        for name, figure in summary.figures.items()
    ]
    write_table(lines, folder / SUMMARY_NAME)
