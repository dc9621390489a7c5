"""The average of several models' weights, a model soup (Wortsman et al. 2022)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from lrisc_system.storage.tensors import plain_name

Model = TypeVar("Model", bound=nn.Module)


@torch.no_grad()
def average_models(models: Sequence[Model]) -> Model:
    """Average the parameters of models that went on from one another or from the same weights.

    Runs with a falling learning rate end at different points around the same minimum. Their mean
    may be better than each of them, or worse after a long run: measure it. Models trained from
    different initial weights have no useful mean.

    Args:
        models: of one class and one shape; they stay as they are. Listing one twice gives it
            twice the weight.

    Returns:
        A new model with the mean of every parameter and the last model's buffers. Those that
        follow from parameters, such as coding tables, are the caller's to renew; `save_model`
        does.

    Raises:
        ValueError: if there are none, or their parameters differ in name or shape.
    """
    if not models:
        raise ValueError("expected at least one model to average, got none")
    parameters: list[dict[str, Tensor]] = [
        {plain_name(name): tensor for name, tensor in model.named_parameters()} for model in models
    ]
    shapes = [{name: tensor.shape for name, tensor in own.items()} for own in parameters]
    if any(other != shapes[0] for other in shapes):
        raise ValueError("expected models with parameters of the same names and shapes")
    average = copy.deepcopy(models[-1])  # buffers, such as coding tables, may differ in size
    for name, parameter in average.named_parameters():
        same = [own[plain_name(name)] for own in parameters]
        parameter.copy_(torch.stack(same).mean(dim=0))
    return average
