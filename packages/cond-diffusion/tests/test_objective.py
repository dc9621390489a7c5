import pytest
import torch

from cond_diffusion import diffusion_loss, truncated_snr_weight


def test_weight_is_the_snr_between_its_limits():
    # abar / (1 - abar): 0.5 -> 1, 0.8 -> 4, 0.9 -> 9 (cut at 5), 0.2 -> 0.25; at 1 it is infinite.
    weight = truncated_snr_weight(torch.tensor([0.0, 0.2, 0.5, 0.8, 0.9, 1.0]))
    torch.testing.assert_close(weight, torch.tensor([0.0, 0.25, 1.0, 4.0, 5.0, 5.0]))


def test_weight_has_a_floor():
    # Salimans and Ho (2022), Sec. 4: max(abar / (1 - abar), 1).
    weight = truncated_snr_weight(torch.tensor([0.0, 0.8]), minimum=1.0)
    torch.testing.assert_close(weight, torch.tensor([1.0, 4.0]))


def test_loss_by_hand():
    # Squared errors per sample: mean(1, 0, 0, 1) = 0.5 and mean(4, 4, 4, 4) = 4;
    # weighted by 2 and 0.5, averaged over two samples: (1 + 2) / 2.
    x_0 = torch.zeros(2, 1, 2, 2)
    estimate = torch.tensor([[1.0, 0.0, 0.0, -1.0], [2.0, 2.0, 2.0, -2.0]]).view(2, 1, 2, 2)
    loss = diffusion_loss(x_0, estimate, torch.tensor([2.0, 0.5]))
    assert loss.item() == pytest.approx(1.5)


def test_loss_of_the_image_itself_is_zero():
    x_0 = torch.rand(2, 3, 4, 4)
    assert diffusion_loss(x_0, x_0, torch.ones(2)) == 0


def test_loss_gradient():
    # d/de of 3 * mean((x - e)^2) over 4 numbers is 6 (e - x) / 4.
    x_0, estimate = torch.zeros(1, 4), torch.tensor([[1.0, 2.0, 0.0, -1.0]], requires_grad=True)
    diffusion_loss(x_0, estimate, torch.tensor([3.0])).backward()
    torch.testing.assert_close(estimate.grad, torch.tensor([[1.5, 3.0, 0.0, -1.5]]))


def test_loss_is_float32_for_bfloat16_estimates():
    x_0 = torch.zeros(1, 4)
    loss = diffusion_loss(x_0, torch.ones(1, 4, dtype=torch.bfloat16), torch.ones(1))
    assert loss.dtype == torch.float32


def test_loss_refuses_shapes_that_do_not_match():
    with pytest.raises(ValueError, match=r"expected estimate \(2, 3\) and weight \(2,\), got"):
        diffusion_loss(torch.zeros(2, 3), torch.zeros(2, 1), torch.ones(2))
