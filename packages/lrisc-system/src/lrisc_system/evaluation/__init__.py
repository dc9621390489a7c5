"""The comparison of the paper's Section IV: links, points, metrics, statistics, figures."""

from lrisc_system.evaluation.run import evaluate
from lrisc_system.evaluation.settings import EvaluateSettings, Point
from lrisc_system.link import Arrival, Link, OutOfReachError

__all__ = ["Arrival", "EvaluateSettings", "Link", "OutOfReachError", "Point", "evaluate"]
