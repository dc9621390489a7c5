"""Bandwidths as people write them: 1/48, or 0.017."""

from __future__ import annotations


def read_cbr(text: str) -> float:
    """Read a bandwidth from a number, or from a fraction of two.

    Raises:
        ValueError: if the text is neither.
    """
    above, slash, below = text.partition("/")
    try:
        return float(above) / float(below) if slash else float(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"expected a number or a fraction such as 1/48, got {text!r}") from None


def name_cbr(cbr: float) -> str:
    """Write a bandwidth as it was most likely meant: 1/48, or 0.017."""
    inverse = 1 / cbr
    is_fraction = abs(inverse - round(inverse)) < 1e-6 and abs(cbr - round(cbr, 3)) > 1e-9
    return f"1/{round(inverse)}" if is_fraction else f"{cbr:.4g}"
