"""Weights in 8 bits, to go on with training elsewhere: half of float16, which training heals.

Every matrix and kernel is stored as int8 and one float32 scale for each of its rows (first
dimension), so that the largest element of a row is 127; all else stays as it is.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = ".scale8"
LEAST_ELEMENTS = 1024  # smaller tensors are not worth the loss


def to_eight_bits(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round matrices and kernels to 8 bits: name -> int8, and name + '.scale8' -> (rows,)."""
    stored = {}
    for name, tensor in tensors.items():
        if tensor.ndim < 2 or tensor.numel() < LEAST_ELEMENTS or not tensor.is_floating_point():
            stored[name] = tensor.contiguous()
            continue
        rows = tensor.float().flatten(1)  # (rows, n)
        scale = rows.abs().amax(dim=1).clamp(min=1e-12) / 127
        stored[name] = (rows / scale[:, None]).round().to(torch.int8).view(tensor.shape)
        stored[name + SCALE] = scale
    return stored


def from_eight_bits(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `to_eight_bits`, in float32; tensors that were never rounded pass through."""
    tensors = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE):
            continue
        scale = stored.get(name + SCALE)
        if scale is not None:
            tensor = tensor.float() * scale.view(-1, *[1] * (tensor.ndim - 1))
        tensors[name] = tensor
    return tensors
