"""What the system is compared with."""

from lrisc_system.baselines.linear import LinearLink, LinearSignal, fit_linear_link

__all__ = ["LinearLink", "LinearSignal", "fit_linear_link"]
