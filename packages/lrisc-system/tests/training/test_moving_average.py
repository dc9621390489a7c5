import pytest
import torch
from torch import nn

from lrisc_system.training.moving_average import MovingAverage


def one_weight(value):
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (1, 9 / 11),  # decay (1 + 1) / (10 + 1)
        (1_000_000, 0.1),  # decay 0.9
    ],
)
def test_the_average_moves_towards_the_weights(step, expected):
    average = MovingAverage(one_weight(0.0), decay=0.9)
    average.update(one_weight(1.0), step=step)
    torch.testing.assert_close(average.tensors["weight"], torch.tensor([[expected]]))


def test_the_first_average_is_a_copy_of_the_weights():
    model = one_weight(2.0)
    average = MovingAverage(model, decay=0.9)
    nn.init.zeros_(model.weight)
    assert average.tensors["weight"] == 2
    average.place_like(model)
    average.gather()
    assert average.tensors["weight"] == 2


def test_an_average_restarts_from_the_weights_for_some_parameters():
    model = nn.Linear(1, 1)
    average = MovingAverage(model, decay=0.9)
    old = average.tensors["bias"].clone()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 5.0)
    average.restart(model, ["weight"])
    assert average.tensors["weight"] == 5
    assert torch.equal(average.tensors["bias"], old)
    nn.init.zeros_(model.weight)
    assert average.tensors["weight"] == 5
