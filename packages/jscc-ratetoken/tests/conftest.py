"""What several test files need: a network that is no longer at its zero start."""

from collections.abc import Callable

import pytest
import torch
from torch import nn


@pytest.fixture
def trained() -> Callable[[nn.Module], nn.Module]:
    """Move every parameter away from its start, as training would, the same way each time."""

    def perturb(module: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(7)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        return module

    return perturb
