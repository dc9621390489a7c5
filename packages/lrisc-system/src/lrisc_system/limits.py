"""The ranges of what comes from outside: the SNR, and the size that an image may claim."""

from __future__ import annotations

SNR_RANGE_DB = (-20.0, 40.0)
MAX_PIXELS = 89_478_485  # Pillow's limit: a quarter of a GiB at three bytes a pixel


def check_pixels(height: int, width: int, max_pixels: int) -> None:
    """Refuse a size above a limit.

    Args:
        height: in pixels.
        width: in pixels.
        max_pixels: largest number of pixels; `--max-pixels` on the command line.

    Raises:
        ValueError: if the size is larger, in one line.
    """
    if height * width > max_pixels:
        raise ValueError(
            f"expected at most {max_pixels} pixels (--max-pixels), got {width} x {height}"
        )
