"""The comparison of the paper's Section IV: links, points, metrics, statistics, figures."""

from typing import TYPE_CHECKING

from lrisc_system.lazy import lazy_names

if TYPE_CHECKING:
    from lrisc_system.evaluation.links.link import Arrival, Link, OutOfReachError
    from lrisc_system.evaluation.run import evaluate
    from lrisc_system.evaluation.settings import EvaluateSettings, Point

__all__ = ["Arrival", "EvaluateSettings", "Link", "OutOfReachError", "Point", "evaluate"]

__getattr__ = lazy_names(
    __name__,
    {
        "links.link": ("Arrival", "Link", "OutOfReachError"),
        "run": ("evaluate",),
        "settings": ("EvaluateSettings", "Point"),
    },
)
