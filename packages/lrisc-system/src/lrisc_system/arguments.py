"""The arguments of `LRISC.send`, and the model itself, checked before anything is computed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lrisc_system.packets.packet import MAX_SIDE

TOLERANCE = 0.01  # interpolated images leave [0, 1] by this much without harm


def check_ready(model: nn.Module) -> None:
    """Check a model that is to send or to receive.

    Raises:
        RuntimeError: if it is in training mode.
        ValueError: if it is in another precision than float32.
    """
    if model.training:
        raise RuntimeError("expected a model in evaluation mode: call .eval() first")
    found = {p.dtype for p in model.parameters() if p.is_floating_point()}
    if found != {torch.float32}:
        names = ", ".join(sorted(map(str, found)))
        raise ValueError(
            f"expected a model in torch.float32, got {names}: call .float() (a checkpoint may "
            "store float16, and training may compute in bf16)"
        )


def check_image(image: Tensor) -> None:
    """Check an image to send.

    Raises:
        ValueError: if it is not (1, 3, H, W) of finite floating-point numbers in [0, 1] with sides
            that a packet can name.
    """
    if image.ndim != 4 or image.shape[:2] != (1, 3):
        raise ValueError(f"expected one image (1, 3, H, W), got {tuple(image.shape)}")
    height, width = image.shape[-2:]
    if not 1 <= min(height, width) <= max(height, width) <= MAX_SIDE:
        raise ValueError(f"expected sides of 1 to {MAX_SIDE} pixels, got {height} x {width}")
    if not image.is_floating_point():
        raise ValueError(f"expected an image of floating-point numbers, got {image.dtype}")
    _check_range("an image", image)


def check_saliency(saliency: Tensor, image: Tensor) -> None:
    """Check the saliency map of an image.

    Raises:
        ValueError: if it is not (1, 1, H, W) as the image is, of numbers in [0, 1].
    """
    expected = (1, 1, *image.shape[-2:])
    if tuple(saliency.shape) != expected:
        raise ValueError(f"expected a saliency map {expected}, got {tuple(saliency.shape)}")
    _check_range("a saliency map", saliency)


def check_bandwidth(*, eta: float | None, cbr: float | None, alpha: float | None) -> None:
    """Check the numbers that decide how many symbols are sent.

    Raises:
        ValueError: if eta and cbr are both given, or a number is out of range.
    """
    if eta is not None and cbr is not None:
        raise ValueError("expected eta or cbr, got both")
    for name, number in (("eta", eta), ("cbr", cbr)):
        if number is not None and not 0 < number < math.inf:
            raise ValueError(f"expected {name} above 0, got {number:g}")
    if alpha is not None and not 0 <= alpha <= 1:
        raise ValueError(f"expected alpha in [0, 1], got {alpha:g}")


def _check_range(what: str, values: Tensor) -> None:
    low, high = (number.item() for number in values.aminmax())
    if not -TOLERANCE <= low <= high <= 1 + TOLERANCE:  # false for NaN too
        raise ValueError(f"expected {what} in [0, 1], got values in [{low:g}, {high:g}]")
