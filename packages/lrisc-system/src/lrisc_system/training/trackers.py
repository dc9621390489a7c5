"""Curves and pictures for the trackers of accelerate: TensorBoard and others."""

from __future__ import annotations

from collections.abc import Mapping

from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from torch import Tensor


def check_trackers(names: tuple[str, ...]) -> None:
    """Check that Accelerate knows the trackers, and that their packages are installed.

    Raises:
        ValueError: if one is unknown or not installed.
    """
    known = sorted(LOGGER_TYPE_TO_CLASS)
    installed = {str(name) for name in get_available_trackers()}
    for name in names:
        if name not in known:
            raise ValueError(f"expected a tracker of {known}, got {name!r}")
        if name not in installed:
            extra = "lrisc-system[tensorboard]" if name == "tensorboard" else name
            raise ValueError(f"the tracker {name} is not installed: pip install '{extra}'")


class Trackers:
    """The trackers of a run; with none, nothing happens.

    Args:
        accelerator: accelerator with `log_with`.
        config: settings to record with the run.
    """

    def __init__(self, accelerator: Accelerator, *, config: Mapping[str, str | float]) -> None:
        self.accelerator = accelerator
        if accelerator.log_with:
            accelerator.init_trackers("lrisc", config=dict(config))

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Record numbers at a step of the whole run."""
        self.accelerator.log(dict(values), step=step)

    def picture(self, name: str, image: Tensor, *, step: int) -> None:
        """Record an image (1, 3, H, W) in [0, 1] in the trackers that take images."""
        pixels = image.clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()  # (1, H, W, 3)
        for tracker in self.accelerator.trackers:
            if tracker.name == "tensorboard":
                tracker.log_images({name: pixels}, step=step, dataformats="NHWC")
            elif hasattr(tracker, "log_images"):
                tracker.log_images({name: pixels}, step=step)

    def finish(self) -> None:
        """Flush and close the trackers."""
        for tracker in self.accelerator.trackers:
            tracker.finish()
