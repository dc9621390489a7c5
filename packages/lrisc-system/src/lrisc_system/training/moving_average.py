"""The moving average of the weights, which a run keeps as its result."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from lrisc_system.training.sharding import full_tensors, place_like


class MovingAverage:
    """Exponential moving average of a model's parameters.

    Args:
        model: its parameters are the first values.
        decay: weight of the old average in each update, in [0, 1); lower in the first steps.

    Attributes:
        tensors: name of a parameter -> its average, sharded as the parameter was last.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.tensors: dict[str, Tensor] = {
            name: parameter.detach().clone() for name, parameter in model.named_parameters()
        }

    @torch.no_grad()
    def update(self, model: nn.Module, *, step: int) -> None:
        """Move the average towards the model's parameters, all tensors at once.

        The decay of step t of the run, from 1, is min(decay, (1 + t) / (10 + t)).
        """
        parameters = dict(model.named_parameters())
        averages = [self.tensors[name] for name in parameters]
        update = get_ema_multi_avg_fn(min(self.decay, (1 + step) / (10 + step)))
        update(averages, [parameter.detach() for parameter in parameters.values()], None)

    def restart(self, model: nn.Module, names: Collection[str]) -> None:
        """Forget the average of some parameters, which were set to other values."""
        for name, parameter in model.named_parameters():
            if name in names:
                self.tensors[name] = parameter.detach().clone()

    def place_like(self, model: nn.Module) -> None:
        """Move and shard the average as the model's parameters are."""
        for name, parameter in model.named_parameters():
            self.tensors[name] = place_like(self.tensors[name], parameter)

    def gather(self) -> None:
        """Undo the sharding; every process must call this."""
        self.tensors = full_tensors(self.tensors)
