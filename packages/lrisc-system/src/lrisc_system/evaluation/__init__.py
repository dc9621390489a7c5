"""The comparison of the paper's Section IV: links, points, metrics, statistics, figures."""

from typing import TYPE_CHECKING

from lrisc_system.lazy import lazy_names

if TYPE_CHECKING:
    from lrisc_system.evaluation.run import evaluate
    from lrisc_system.evaluation.settings import EvaluateSettings, Point
    from lrisc_system.link import Arrival, Link, OutOfReachError

__all__ = ["Arrival", "EvaluateSettings", "Link", "OutOfReachError", "Point", "evaluate"]

__getattr__ = lazy_names(
    __name__,
    {
        "lrisc_system.evaluation.run": ("evaluate",),
        "lrisc_system.evaluation.settings": ("EvaluateSettings", "Point"),
        "lrisc_system.link": ("Arrival", "Link", "OutOfReachError"),
    },
)
