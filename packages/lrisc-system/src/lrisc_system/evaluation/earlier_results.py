"""Read the results of other links from an earlier evaluation: `--earlier-results`."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path

from lrisc_system.evaluation.links.registry import LINKS
from lrisc_system.evaluation.measure import Measurement
from lrisc_system.evaluation.settings import EvaluateSettings, Point
from lrisc_system.evaluation.statistics import Estimate
from lrisc_system.evaluation.summary import Summary

# Without those that came later: a summary of an earlier version lacks them, and tables show a dash.
FIGURES = {"cbr", "delivered", "seconds"} | {
    field.name for field in fields(Measurement) if field.default is MISSING
}


def read_summary(path: Path) -> list[Summary]:
    """Read back what `write_summary` wrote.

    Raises:
        ValueError: the file is missing, no summary, or of a link that is not known.
    """
    figures: dict[tuple[str, Point, int, int], dict[str, Estimate]] = {}
    try:
        with path.open(newline="") as file:
            for line in csv.DictReader(file):
                point = Point(float(line["snr_db"]), float(line["cbr_budget"]))
                key = line["link"], point, int(line["images"]), int(line["seeds"])
                figures.setdefault(key, {})[line["figure"]] = Estimate(
                    mean=float(line["mean"]),
                    ci95_channel=float(line["ci95_channel"]),
                    ci95_images=float(line["ci95_images"]),
                )
    except OSError as error:
        raise ValueError(f"{path}: expected a summary.csv, cannot read it") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a summary.csv, got another file") from error
    if not all(found.keys() >= FIGURES for found in figures.values()):
        raise ValueError(f"{path}: expected a summary.csv, it lacks figures of a link")
    unknown = [link for link, *_ in figures if link not in LINKS]
    if unknown:
        raise ValueError(f"{path}: expected links of {', '.join(LINKS)}, got {unknown[0]!r}")
    return [Summary(*key, found) for key, found in figures.items()]


def read_earlier_results(
    settings: EvaluateSettings, *, own: Iterable[str], images: int
) -> list[Summary]:
    """Read the summaries of links that an evaluation does not measure itself.

    Args:
        settings: of the evaluation; `earlier_results` names the file.
        own: names of its links.
        images: how many it has.

    Raises:
        ValueError: no summary, one of other images, or one without another link at these points.
    """
    path, mine, points = settings.earlier_results, set(own), settings.points()
    if path is None:
        return []
    others = [s for s in read_summary(path) if s.link not in mine and s.point in points]
    if not others:
        raise ValueError(f"{path}: expected another link at a point of this evaluation, got none")
    counts = {s.images for s in others} - {images}
    if counts:
        raise ValueError(f"{path}: expected means over {images} images, got {counts.pop()}")
    return others
