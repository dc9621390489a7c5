import torch
from torch import nn

from lrisc_system.parts import modules_with


class Able(nn.Module):
    def start(self):
        return 7


def test_modules_are_found_by_their_method_once_even_compiled():
    model = nn.Sequential(Able(), nn.Sequential(torch.compile(Able())), nn.Identity())
    found = modules_with(model, "start")
    assert [module.start() for module in found] == [7, 7]
    assert modules_with(found[0], "start") == [found[0]]
    assert modules_with(model, "no_such") == []
