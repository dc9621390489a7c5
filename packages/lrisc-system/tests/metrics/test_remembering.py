import torch
from torch import nn

from lrisc_system.metrics.remembering import RememberingBackbone


class Counting(nn.Module):
    """Doubles, and counts how often."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, image):
        self.calls += 1
        return 2 * image


def test_the_last_inputs_are_remembered():
    network = Counting()
    backbone = RememberingBackbone(network, kept=2)
    one, two, three = (torch.full((1, 3, 2, 2), float(value)) for value in (1, 2, 3))
    for image in (one, two, one, three, one):  # two is the older one when three comes
        assert torch.equal(backbone(image.clone()), 2 * image)
    assert network.calls == 3
    backbone(two)
    assert network.calls == 4
