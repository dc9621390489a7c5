"""The optimiser of a stage, for a model and the critic that it may be trained against."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.optim import Adam, Optimizer

CRITIC_BETAS = (0.5, 0.99)
CRITIC_RATE_FACTOR = 2.0  # on the learning rate of the model


def make_optimizer(
    parameters: Iterable[nn.Parameter],
    *,
    lr: float,
    fused: bool,
    adversary: nn.Module | None = None,
) -> Adam:
    """Make the optimiser of a stage: Adam, fused into one kernel where the parameters allow it.

    Every group has a `rate_factor`, by which `set_learning_rate` multiplies the rate.

    Args:
        parameters: of the model.
        lr: learning rate.
        fused: whether they allow it.
        adversary: a critic, whose gradients change too fast for much momentum.
    """
    groups: list[dict[str, Any]] = [{"params": list(parameters), "rate_factor": 1.0}]
    if adversary is not None:
        critic = {"params": list(adversary.parameters()), "betas": CRITIC_BETAS}
        groups.append(critic | {"rate_factor": CRITIC_RATE_FACTOR})
    return Adam(groups, lr=lr, fused=fused)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of the model; a critic's is twice as high."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate_factor"]


def find_adversary(objective: nn.Module) -> nn.Module | None:
    """Return the part of a loss that has weights of its own to train, if it has one."""
    adversary: nn.Module | None = getattr(objective, "adversary", None)
    return adversary


def clipped_together(objective: nn.Module) -> list[list[nn.Parameter]]:
    """List the parameters whose gradients are clipped together: all, but for a critic's own."""
    adversary = find_adversary(objective)
    if adversary is None:
        return [list(objective.parameters())]
    own = list(adversary.parameters())
    critic = {id(parameter) for parameter in own}
    return [[each for each in objective.parameters() if id(each) not in critic], own]


def trained_parameters(
    model: dict[str, nn.Parameter], adversary: nn.Module | None
) -> dict[str, nn.Parameter]:
    """Add the parameters of a critic, if there is one, to the named ones of a model."""
    if adversary is None:
        return model
    return model | {f"adversary.{name}": each for name, each in adversary.named_parameters()}
