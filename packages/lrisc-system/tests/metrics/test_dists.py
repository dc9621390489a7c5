import pytest
import torch
from torch.nn import functional as F

from lrisc_system.metrics.backbones import vgg16_layers
from lrisc_system.metrics.dists import DISTS, STAGES, l2_pool, texture_and_structure


@pytest.fixture(scope="module")
def dists(vgg_file):
    return DISTS(vgg16_layers(vgg_file))


def pair(height=40, width=56):
    x = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(2))
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(3))
    return x, (0.5 + 0.5 * (x - 0.5) + 0.2 * noise).clamp(0, 1)


def test_equals_what_the_published_package_computes(dists):
    """`dists-pytorch` 0.1 with the same layers and its own alpha and beta, run once on this."""
    assert dists(*pair()).tolist() == pytest.approx([0.1181057, 0.1130558], abs=2e-6)


def test_equals_the_formula_written_out(dists, vgg_file):
    """The formulas of the paper, with covariances as means of products, in double precision."""
    layers = vgg16_layers(vgg_file).double()
    window = torch.tensor([0.25, 0.5, 0.25]).double()
    shift, scale = (
        torch.tensor(v).double().view(3, 1, 1)
        for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )

    def maps(image):
        h = (image - shift) / scale
        for number, (first, end) in enumerate(STAGES):
            if number:
                c = h.shape[1]
                kernel = window.outer(window).repeat(c, 1, 1, 1)
                h = F.conv2d(h**2, kernel, stride=2, padding=1, groups=c).sqrt()
            h = layers[first:end](h)
            yield h

    x, x_hat = (image.double() for image in pair())
    similarities = []
    for f, g in zip([x, *maps(x)], [x_hat, *maps(x_hat)], strict=True):
        f_mean, g_mean = f.mean((2, 3)), g.mean((2, 3))
        covariance = (f * g).mean((2, 3)) - f_mean * g_mean
        variances = f.var((2, 3), correction=0) + g.var((2, 3), correction=0)
        texture = (2 * f_mean * g_mean + 1e-6) / (f_mean**2 + g_mean**2 + 1e-6)
        similarities.append((texture, (2 * covariance + 1e-6) / (variances + 1e-6)))
    texture, structure = (torch.cat(each, dim=1) for each in zip(*similarities, strict=True))
    weighted = (dists.alpha * texture + dists.beta * structure).sum(1)
    expected = 1 - weighted / (dists.alpha.sum() + dists.beta.sum())
    torch.testing.assert_close(dists(*pair()), expected.float(), atol=2e-6, rtol=0)


def test_zero_for_equal_images_symmetric_and_rising(dists):
    x, x_hat = pair()
    assert dists(x, x).abs().max() < 1e-6
    torch.testing.assert_close(dists(x, x_hat), dists(x_hat, x))
    assert (dists(x, x + 0.5 * (x_hat - x)) < dists(x, x_hat)).all()


def test_l2_pooling_by_hand():
    """Corners see 9/16 of the window's weight, and odd sides are rounded up."""
    pooled = l2_pool(torch.full((1, 2, 5, 4), 3.0))
    assert pooled.shape == (1, 2, 3, 2)
    assert pooled[0, 0, 0, 0].item() == pytest.approx(3 * 0.75)
    assert pooled[0, 1, 1, 1].item() == pytest.approx(3.0)


def test_similarities_by_hand():
    """(0, 2) and (2, 4): means 1 and 3, variances 1, covariance 1; against its mirror image -1."""
    f = torch.tensor([0.0, 2.0]).view(1, 1, 1, 2)
    texture, structure = texture_and_structure(f, f + 2)
    assert texture.item() == pytest.approx(6 / 10, abs=1e-6)
    assert structure.item() == pytest.approx(1)
    assert texture_and_structure(f, f.flip(3))[1].item() == pytest.approx(-1, abs=2e-6)


def test_a_single_pixel_and_a_black_image_have_a_finite_distance(dists):
    x, x_hat = pair(1, 1)
    assert dists(x, x_hat).isfinite().all()
    black = torch.zeros(1, 3, 32, 32)
    assert 0 < dists(black, black + 0.5).item() < 1


def test_gradient_reaches_the_image_and_not_the_network(dists):
    x, x_hat = pair(32, 32)
    x_hat.requires_grad_()
    dists(x, x_hat).sum().backward()
    assert x_hat.grad.isfinite().all()
    assert x_hat.grad.abs().max() > 0
    assert not any(p.requires_grad for p in dists.parameters())
    assert not dists.train().training


def test_shapes_that_do_not_fit_are_refused(dists, vgg_file):
    with pytest.raises(ValueError, match=r"expected two images \(B, 3, H, W\)"):
        dists(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
    with pytest.raises(ValueError, match=r"expected beta \(1475,\), got \(3,\)"):
        DISTS(vgg16_layers(vgg_file), beta=torch.ones(3))
