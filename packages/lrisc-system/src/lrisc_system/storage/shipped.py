"""Paths of the weights that ship with the package."""

from pathlib import Path

WEIGHTS = Path(__file__).parents[1] / "weights"
SHIPPED = WEIGHTS / "small"
SHIPPED_DEEPJSCC = WEIGHTS / "deepjscc"
