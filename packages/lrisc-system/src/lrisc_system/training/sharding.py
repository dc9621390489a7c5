"""Full tensors from the shards of FSDP, and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def full_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gather the tensors that FSDP has sharded; every process must call this."""
    return {name: _full_tensor(tensor.detach()) for name, tensor in tensors.items()}


def _full_tensor(tensor: Tensor) -> Tensor:
    if not isinstance(tensor, DTensor):
        return tensor
    if tensor.numel() == 0:  # DTensor cannot gather the shards of an empty tensor
        return torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device)
    full: Tensor = tensor.full_tensor()
    return full


def place_like(tensor: Tensor, reference: Tensor) -> Tensor:
    """Move a full tensor to the device of a reference, and shard it if the reference is sharded.

    Args:
        tensor: of the shape of `reference`.
        reference: a tensor, or a `DTensor`.
    """
    tensor = tensor.to(reference.device)
    if isinstance(reference, DTensor):
        if tensor.numel() == 0:
            return torch.zeros_like(reference)
        return distribute_tensor(tensor, reference.device_mesh, reference.placements)
    return tensor
