"""Shards themselves are tried in processes: test_processes.py."""

import torch

from lrisc_system.training.sharding import full_tensors, place_like


def test_what_is_not_sharded_stays_as_it_is():
    tensor = torch.ones(3, requires_grad=True)
    (full,) = full_tensors({"a": tensor}).values()
    assert torch.equal(full, tensor)
    assert not full.requires_grad
    assert place_like(full, torch.zeros(3)) is full
