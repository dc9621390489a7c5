import pytest
import torch

from roi_saliency import scale_mask, weight_latent


def test_scale_mask_by_hand():
    # 0.2 + 0.8 * (0, 0.5, 1) = (0.2, 0.6, 1), LRISC Eq. (3).
    weights = scale_mask(torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(weights, torch.tensor([0.2, 0.6, 1.0]))


def test_alpha_one_switches_the_roi_off():
    assert torch.equal(scale_mask(torch.rand(2, 1, 4, 4), alpha=1.0), torch.ones(2, 1, 4, 4))


def test_every_image_may_have_its_own_alpha():
    masks = torch.rand(2, 1, 3, 4)
    together = scale_mask(masks, alpha=torch.tensor([0.2, 1.0]))
    alone = [scale_mask(mask, alpha=alpha) for mask, alpha in zip(masks, (0.2, 1.0), strict=True)]
    torch.testing.assert_close(together, torch.stack(alone))


def test_one_alpha_too_many_or_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"each of 2 images, got \(3,\)"):
        scale_mask(torch.ones(2, 1, 4, 4), alpha=torch.ones(3))
    with pytest.raises(ValueError, match=r"alpha in \[0, 1\]"):
        scale_mask(torch.ones(2, 1, 4, 4), alpha=torch.tensor([0.5, 1.5]))


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_outside_the_unit_interval_is_refused(alpha):
    with pytest.raises(ValueError, match=rf"alpha in \[0, 1\], got {alpha}"):
        scale_mask(torch.ones(1), alpha=alpha)


def test_weight_latent_by_hand():
    # LRISC Eq. (4) with one protected channel of three: (2, 3, 5) and W = 0.5 give (2, 1.5, 2.5).
    y = torch.tensor([2.0, 3.0, 5.0]).reshape(1, 3, 1, 1)
    weighted = weight_latent(y, torch.full((1, 1, 1, 1), 0.5), protected=1)
    assert weighted.flatten().tolist() == [2.0, 1.5, 2.5]


def test_weights_act_at_their_own_position_and_image():
    y = torch.ones(2, 65, 2, 3)
    weights = torch.arange(12, dtype=torch.float32).reshape(2, 1, 2, 3)
    weighted = weight_latent(y, weights)
    assert torch.equal(weighted[:, :64], y[:, :64])
    assert torch.equal(weighted[:, 64:], weights)


@pytest.mark.parametrize("protected", [0, 4])
def test_all_or_none_may_be_protected(protected):
    y, weights = torch.ones(1, 4, 2, 2), torch.full((1, 1, 2, 2), 0.25)
    expected = y if protected == 4 else y * weights
    assert torch.equal(weight_latent(y, weights, protected=protected), expected)


def test_gradient_reaches_latent_and_weights():
    y = torch.rand(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: weight_latent(a, b, protected=1), (y, weights))


def test_errors_state_what_came():
    with pytest.raises(ValueError, match=r"y of shape \(B, C, h, w\), got \(3, 2, 2\)"):
        weight_latent(torch.ones(3, 2, 2), torch.ones(1, 1, 2, 2))
    with pytest.raises(ValueError, match=r"\(1, 1, 2, 2\), got \(1, 3, 2, 2\)"):
        weight_latent(torch.ones(1, 3, 2, 2), torch.ones(1, 3, 2, 2), protected=1)
    with pytest.raises(ValueError, match=r"protected in \[0, 3\], got 64"):
        weight_latent(torch.ones(1, 3, 2, 2), torch.ones(1, 1, 2, 2))
