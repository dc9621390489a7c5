import pytest
import torch

from cond_diffusion import Conditioner


@pytest.mark.parametrize(("patch_size", "strides"), [(1, (1, 2, 4, 8)), (2, (2, 4, 8, 16))])
def test_features_stand_where_the_first_four_units_work(patch_size, strides):
    # LRISC Sec. III-A.4: at 1/1, 1/2, 1/4 and 1/8 of the image (of its patches).
    conditioner = Conditioner(latent_channels=5, width=8, patch_size=patch_size)
    features = conditioner(torch.randn(2, 5, 2, 3))
    shapes = [tuple(feature.shape) for feature in features]
    assert shapes == [
        (2, 8 * unit, 32 // stride, 48 // stride) for unit, stride in enumerate(strides, start=1)
    ]


def test_latent_scale_takes_the_unit_out_of_the_latent():
    conditioner = Conditioner(latent_channels=5, width=8, patch_size=2)
    y_hat, scale = torch.randn(1, 5, 2, 2), torch.tensor([0.5, 1, 2, 4, 8])
    before = conditioner(y_hat)
    conditioner.latent_scale.copy_(scale)
    after = conditioner(y_hat * scale[:, None, None])
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other)


def test_gradient_reaches_the_latent():
    conditioner = Conditioner(latent_channels=5, width=8, patch_size=1)
    y_hat = torch.randn(1, 5, 1, 1, requires_grad=True)
    conditioner(y_hat)[0].square().mean().backward()
    assert (y_hat.grad != 0).all()
