import pytest
import torch

from lrisc_system.metrics.backbones import imagenet_normalize, vgg16_layers
from lrisc_system.metrics.feature_distances import (
    PatchFeatures,
    cut_patches,
    frechet_distance,
    kernel_distance,
)


def samples():
    """Two samples of 40 points in 16 dimensions that differ in all moments."""
    x, y = (torch.rand(40, 16, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    return x.double(), (y**2).double()


def test_equals_what_torchmetrics_computes():
    """`poly_mmd(x, y, degree=3, gamma=None, coef=1)` of torchmetrics 1.9, run once on this."""
    assert kernel_distance(*samples()) == pytest.approx(0.12719599029423, rel=1e-10)


def test_frechet_equals_what_torchmetrics_computes():
    """Its `_compute_fid` with these means and covariances, run once on this."""
    assert frechet_distance(*samples()) == pytest.approx(0.740519310132, rel=1e-9)


def test_kernel_distance_by_hand():
    """In one dimension (x y + 1)^3: 0 and 1 within x give 1; within y, 1 and 2 give 27; across
    1, 1, 8 and 27 have a mean of 9.25."""
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    assert kernel_distance(x, y) == pytest.approx(1 + 27 - 2 * 9.25)
    assert kernel_distance(y, x) == kernel_distance(x, y)


def test_kernel_distance_is_unbiased():
    """Over many halves of one sample the mean is 0, within three of its standard errors."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.tensor(
        [
            kernel_distance(*torch.randn(2, 8, 4, generator=generator).double().unbind())
            for _ in range(400)
        ]
    )
    assert draws.mean().abs() < 3 * draws.std() / 400**0.5
    assert (draws < 0).any()


def test_rows_in_memory_at_once_change_nothing(monkeypatch):
    expected = kernel_distance(*samples())
    monkeypatch.setattr("lrisc_system.metrics.feature_distances.ROWS", 7)
    assert kernel_distance(*samples()) == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_by_hand():
    """Variances 2 and 8, means 0 and 3: 9 + 2 + 8 - 2 sqrt(16)."""
    x, y = torch.tensor([[-1.0], [1.0]]), torch.tensor([[1.0], [5.0]])
    assert frechet_distance(x, y) == pytest.approx(11.0)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_patches_overlap_by_half():
    image = torch.arange(2 * 3 * 100 * 128.0).view(2, 3, 100, 128)
    patches = cut_patches(image)  # rows 0, 32; columns 0, 32, 64
    assert patches.shape == (12, 3, 64, 64)
    assert torch.equal(patches[5], image[0, :, 32:96, 64:128])
    assert torch.equal(patches[6], image[1, :, :64, :64])
    assert len(cut_patches(image[..., :63])) == 0


def test_features_are_the_means_of_two_layers(vgg_file):
    layers = vgg16_layers(vgg_file)
    network = PatchFeatures(layers)
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    found = network(image)
    assert found.shape == (2, 1024)
    h = imagenet_normalize(image[..., 32:])
    for index, layer in enumerate(layers):
        h = layer(h)
        if index == 22:
            relu4_3 = h.mean(dim=(2, 3))
    expected = torch.cat([relu4_3, h.mean(dim=(2, 3))], dim=1)
    torch.testing.assert_close(found[1:], expected, rtol=1e-4, atol=1e-5)
    assert network(image[..., :40]).shape == (0, 1024)
    assert not network.train().training


def test_samples_that_do_not_fit_are_refused():
    x = torch.zeros(3, 4)
    for distance in (kernel_distance, frechet_distance):
        with pytest.raises(ValueError, match=r"at least two rows, got \(1, 4\) and \(3, 4\)"):
            distance(x[:1], x)
        with pytest.raises(ValueError, match=r"got \(3, 4\) and \(3, 2\)"):
            distance(x, x[:, :2])
