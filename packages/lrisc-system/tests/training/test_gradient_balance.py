import pytest
import torch

from lrisc_system.training.gradient_balance import balance_gradients


def gradient(ratio, *, first=1.0, second=1.0):
    x = torch.tensor([3.0, 4.0], requires_grad=True)
    one, other = balance_gradients(x, ratio=ratio)
    (first * one[0] + second * 7 * other[1]).backward()
    return x.grad


def test_both_are_the_tensor_itself():
    x = torch.randn(2, 3)
    assert all(torch.equal(each, x) for each in balance_gradients(x, ratio=2.0))


@pytest.mark.parametrize("second", [1e-3, 1.0, 1e3])
def test_the_second_gradient_has_a_norm_of_ratio_times_the_first(second):
    assert torch.allclose(gradient(0.5, first=2.0, second=second), torch.tensor([2.0, 1.0]))


def test_ratio_0_leaves_the_first_alone():
    assert torch.equal(gradient(0.0), torch.tensor([1.0, 0.0]))


def test_a_gradient_of_zero_stays_zero():
    assert torch.equal(gradient(2.0, second=0.0), torch.tensor([1.0, 0.0]))
