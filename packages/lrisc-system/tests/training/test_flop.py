from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from lrisc_system.training.flop import count_flop
from lrisc_system.training.objective import LossTerms
from lrisc_system.training.recipes import Recipe, Stage
from lrisc_system.training.settings import TrainSettings


class Mean(nn.Module):
    """The mean of a model's output as a loss."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, samples, *, seed, part=0, rate_scale=1.0):
        mean = self.model(samples.image).mean()
        return LossTerms(mean, *[mean.detach()] * 5)


@dataclass
class TwoConvolutions:
    """A kind of model: two 1 x 1 convolutions of 3 to 3 channels."""

    def make(self, settings):
        return nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))

    def objective(self, model, *, stage, recipe, perceptual):
        return Mean(model)


def test_forward_and_backward_passes_count_by_what_a_stage_trains():
    """A convolution of 4 x 4 pixels: 16 pixels x 9 weights x 2 operations = 288.

    All: two forward; backward two for the weights, and one for the image between them. The last
    alone: two forward, and one backward for its weights.
    """
    stages = (Stage("all", trainable=("",), crop=4), Stage("last", trainable=("1",), crop=4))
    state = torch.get_rng_state()
    counts = count_flop(
        TwoConvolutions(),
        TrainSettings(preset="tiny", data=Path(), output=Path()),
        recipe=Recipe(stages),
        perceptual=lambda x, x_hat: x.new_zeros(len(x)),
        device=torch.device("cpu"),
    )
    assert counts == [5 * 288, 3 * 288]
    assert torch.equal(torch.get_rng_state(), state)
