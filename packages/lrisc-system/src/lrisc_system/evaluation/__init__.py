"""The comparison of the paper's Section IV: links, points, metrics, statistics, figures."""

from lrisc_system.evaluation.links.link import Arrival, Link, OutOfReachError
from lrisc_system.evaluation.run import evaluate
from lrisc_system.evaluation.settings import EvaluateSettings, Point

__all__ = ["Arrival", "EvaluateSettings", "Link", "OutOfReachError", "Point", "evaluate"]
