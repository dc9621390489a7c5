import pytest
import torch

from entropy_hyperprior import (
    AnalysisTransform,
    HyperAnalysis,
    HyperSynthesis,
    SynthesisTransform,
    TransformConfig,
)

CONFIG = TransformConfig(latent_channels=8, widths=(4, 6, 8))


def test_shapes() -> None:
    y = AnalysisTransform(CONFIG)(torch.rand(2, 3, 32, 48))
    assert y.shape == (2, 8, 2, 3)
    assert SynthesisTransform(CONFIG)(y).shape == (2, 3, 32, 48)


def test_branches_start_at_zero() -> None:
    g_a, g_s = AnalysisTransform(CONFIG), SynthesisTransform(CONFIG)
    x, y = torch.rand(1, 3, 32, 32), torch.randn(1, 8, 2, 2)
    assert torch.equal(g_a(x), g_a.linear(x))
    assert torch.equal(g_s(y), g_s.linear(y))


def test_linear_path_is_a_matrix_on_patches() -> None:
    # y[c] = sum over (colour, row, column) of weight[c] * patch + bias[c], by hand
    g_a = AnalysisTransform(CONFIG)
    x = torch.rand(1, 3, 32, 32)
    patch = x[0, :, 16:32, 0:16].flatten()
    expected = g_a.linear.weight.flatten(1) @ patch + g_a.linear.bias
    torch.testing.assert_close(g_a(x)[0, :, 1, 0], expected)


def test_branch_sees_the_scaled_latent() -> None:
    g_s = SynthesisTransform(CONFIG)
    torch.nn.init.normal_(g_s.branch[-1].weight)
    y = torch.randn(1, 8, 2, 2)
    plain = g_s.branch(y / 4)
    g_s.branch_scale.fill_(4.0)
    torch.testing.assert_close(g_s(y) - g_s.linear(y), plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3, 32, 40), (1, 1, 32, 32), (3, 32, 32)])
def test_analysis_names_the_shape_it_cannot_take(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"multiples of 16, got \("):
        AnalysisTransform(CONFIG)(torch.rand(shape))


def test_synthesis_names_the_shape_it_cannot_take() -> None:
    with pytest.raises(ValueError, match=r"expected \(B, 8, h, w\), got \(1, 9, 2, 2\)"):
        SynthesisTransform(CONFIG)(torch.rand(1, 9, 2, 2))


def test_config_refuses_what_is_no_size() -> None:
    with pytest.raises(ValueError, match="three widths >= 1, got"):
        TransformConfig(widths=(4, 0, 8))
    with pytest.raises(ValueError, match="latent_channels >= 1, got 0"):
        TransformConfig(latent_channels=0)


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 7)])
def test_hyper_transforms_take_any_grid(size: tuple[int, int]) -> None:
    h, w = size
    z = HyperAnalysis(latent_channels=8, hyper_channels=4)(torch.randn(2, 8, h, w))
    assert z.shape == (2, 4, -(-h // 4), -(-w // 4))
    m, r = HyperSynthesis(latent_channels=8, hyper_channels=4)(z, latent_size=size)
    assert m.shape == r.shape == (2, 8, h, w)
    assert m.abs().max() == r.abs().max() == 0.0  # the zero start


def test_gradients_reach_every_layer_after_one_step() -> None:
    torch.manual_seed(0)
    g_a, g_s = AnalysisTransform(CONFIG), SynthesisTransform(CONFIG)
    parameters = [*g_a.parameters(), *g_s.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    x = torch.rand(2, 3, 32, 32)
    for _ in range(2):  # at the start only the zero layers learn, then all do
        optimizer.zero_grad()
        (g_s(g_a(x)) - x).square().mean().backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters)
