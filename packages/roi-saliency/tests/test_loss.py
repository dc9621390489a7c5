import math

import pytest
import torch

from roi_saliency import SaliencyLogits, saliency_loss


def logits_of(final, *auxiliary):
    maps = [torch.full((1, 1, 2, 2), value, dtype=torch.float64) for value in (final, *auxiliary)]
    return SaliencyLogits(final=maps[0], auxiliary=tuple(maps[1:]))


def test_loss_by_hand():
    # BCE of logit a against target 1 is ln(1 + e^-a): 0.313262 at 1, 0.126928 at 2.
    target = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    loss = saliency_loss(logits_of(1.0, 2.0), target, auxiliary_weights=(0.5,))
    assert loss.item() == pytest.approx(0.313262 + 0.5 * 0.126928, abs=1e-6)


def test_undecided_stages_cost_a_bit_each():
    loss = saliency_loss(logits_of(0.0, 0.0, 0.0, 0.0), torch.rand(1, 1, 2, 2).double())
    assert loss.item() == pytest.approx((1 + 0.4 + 0.6 + 0.8) * math.log(2))


def test_a_sure_and_right_network_costs_nothing():
    target = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    assert saliency_loss(logits_of(50.0, 50.0, 50.0, 50.0), target).item() < 1e-12


def test_gradient_is_right():
    maps = torch.randn(4, 1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    target = torch.rand(1, 1, 2, 2, dtype=torch.float64)

    def loss(m):
        return saliency_loss(SaliencyLogits(final=m[0], auxiliary=tuple(m[1:])), target)

    assert torch.autograd.gradcheck(loss, maps)


def test_errors_state_what_came():
    with pytest.raises(ValueError, match=r"\(1, 1, 2, 2\), got \(1, 2, 2\)"):
        saliency_loss(logits_of(0.0), torch.ones(1, 2, 2), auxiliary_weights=())
    with pytest.raises(ValueError, match="expected 1 auxiliary_weights, got 3"):
        saliency_loss(logits_of(0.0, 0.0), torch.ones(1, 1, 2, 2))
