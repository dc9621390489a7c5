"""The ranges of what comes from outside: the SNR, and the size that an image may claim."""

from __future__ import annotations

SNR_RANGE_DB = (-20.0, 40.0)
MAX_PIXELS = 89_478_485  # Pillow's limit: a quarter of a GiB at three bytes a pixel
MAX_BAD_SHARE = 0.1  # of the photos of a set that cannot be read


def check_bad_share(bad: int, total: int, share: float, *, first: str) -> None:
    """Stop when too many photos of a set cannot be read.

    Args:
        bad: number of those that cannot be read.
        total: number of all.
        share: largest fraction that may be bad; `--max-bad-share` on the command line.
        first: error of one of them.

    Raises:
        ValueError: if more are bad, in one line.
    """
    if bad > share * total:
        raise ValueError(
            f"{bad} of {total} photos cannot be read, more than --max-bad-share {share:g}, "
            f"such as {first}"
        )


def check_share(share: float) -> None:
    """Refuse a `--max-bad-share` that is no fraction.

    Raises:
        ValueError: if it is not in [0, 1].
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"expected max_bad_share in [0, 1], got {share:g}")


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
