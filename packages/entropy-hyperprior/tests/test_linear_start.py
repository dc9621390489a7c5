import pytest
import torch

from entropy_hyperprior import (
    AnalysisTransform,
    Hyperprior,
    HyperpriorConfig,
    PatchPCA,
    SynthesisTransform,
    TransformConfig,
    fit_patch_pca,
    start_from_pca,
)


def smooth_patches(n: int, *, seed: int = 0) -> torch.Tensor:
    """Patches with falling variance, as photos have: 6 x 6 noise, enlarged."""
    noise = torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, size=(16, 16), mode="bilinear")


def started(pca: PatchPCA, *, step: float) -> tuple:
    channels = pca.basis.shape[1]
    g_a = AnalysisTransform(TransformConfig(channels, widths=(4, 6, 8)))
    g_s = SynthesisTransform(TransformConfig(channels, widths=(4, 6, 8)))
    hyperprior = Hyperprior(HyperpriorConfig(channels, hyper_channels=4)).eval()
    start_from_pca(g_a, g_s, hyperprior, pca, step=step)
    return g_a, g_s, hyperprior


def test_two_directions_by_hand() -> None:
    # patches 0.5 + a u + b v, u and v orthonormal, a in {-2, 2}, b in {-1, 1}: variances 4 and 1
    u, v = torch.zeros(2, 3, 16, 16)
    u[0, 2, 3] = 1.0
    v[1, 0, 15] = 1.0
    patches = torch.stack([0.5 + a * u + b * v for a in (-2, 2) for b in (-1, 1)])
    pca = fit_patch_pca(patches, components=2)
    torch.testing.assert_close(pca.variance, torch.tensor([4.0, 1.0]))
    torch.testing.assert_close(pca.basis, torch.stack([u.flatten(), v.flatten()], dim=1))
    torch.testing.assert_close(pca.mean, torch.full((768,), 0.5))


def test_basis_is_orthonormal_and_variance_falls() -> None:
    pca = fit_patch_pca(smooth_patches(500), components=20)
    torch.testing.assert_close(pca.basis.T @ pca.basis, torch.eye(20), rtol=0, atol=1e-5)
    assert (pca.variance.diff() <= 0).all()


def test_latent_is_the_projection_and_synthesis_inverts_it() -> None:
    patches = smooth_patches(1000)
    pca = fit_patch_pca(patches, components=108)  # 3 x 6 x 6: the whole span
    g_a, g_s, _ = started(pca, step=0.1)
    x = torch.cat([patches[0], patches[1]], dim=2)[None]  # (1, 3, 16, 32)
    y = g_a(x)
    expected = (patches[1].flatten() - pca.mean) @ pca.basis / 0.1
    torch.testing.assert_close(y[0, :, 0, 1], expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(g_s(y), x, rtol=0, atol=1e-5)


def test_error_is_the_variance_left_out() -> None:
    # the Karhunen-Loeve transform: mean squared error = sum of the variances beyond C
    patches = smooth_patches(1000)
    whole = fit_patch_pca(patches, components=768).variance
    g_a, g_s, _ = started(fit_patch_pca(patches, components=30), step=0.5)
    error = (g_s(g_a(patches)) - patches).square().flatten(1).sum(dim=1).mean()
    assert error.item() == pytest.approx(whole[30:].sum().item(), rel=1e-3)


def test_hyperprior_starts_at_the_true_variance() -> None:
    patches = smooth_patches(1000)
    pca = fit_patch_pca(patches, components=30)
    g_a, g_s, hyperprior = started(pca, step=0.05)
    y = g_a(patches)
    out = hyperprior(y)
    measured = y.square().mean(dim=(0, 2, 3)).sqrt()
    torch.testing.assert_close(out.scale[0, :, 0, 0], measured, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(g_s.branch_scale, hyperprior.channel_scale.sqrt())


def test_a_component_that_never_varies_keeps_a_positive_scale() -> None:
    pca = fit_patch_pca(smooth_patches(1000), components=200)  # the span has 108
    _, _, hyperprior = started(pca, step=0.1)
    assert hyperprior.channel_scale.min().item() == pytest.approx(0.11)


def test_mistakes_are_named() -> None:
    patches = smooth_patches(10)
    with pytest.raises(ValueError, match=r"expected \(n, 3, 16, 16\) with n >= 2, got \(1, 3"):
        fit_patch_pca(patches[:1], components=4)
    with pytest.raises(ValueError, match="1 to 768 components, got 769"):
        fit_patch_pca(patches, components=769)
    pca = fit_patch_pca(patches, components=8)
    with pytest.raises(ValueError, match="step > 0, got 0"):
        started(pca, step=0.0)
    g_a, g_s, hyperprior = started(pca, step=1.0)
    with pytest.raises(ValueError, match="g_a 8, g_s 8, hyperprior 8, PCA 6"):
        start_from_pca(g_a, g_s, hyperprior, fit_patch_pca(patches, components=6), step=1.0)


def test_each_part_starts_alone():
    pca = fit_patch_pca(smooth_patches(60), components=6)
    g_a, g_s, hyperprior = started(pca, step=0.2)
    alone = AnalysisTransform(TransformConfig(6, widths=(4, 6, 8)))
    alone.start_from_pca(pca, step=0.2)
    assert torch.equal(alone.linear.weight, g_a.linear.weight)
    assert torch.equal(alone.linear.bias, g_a.linear.bias)
    assert torch.equal(pca.latent_scale(step=0.2), hyperprior.channel_scale)
    for part in (g_a, g_s):
        with pytest.raises(ValueError, match="expected step > 0, got 0"):
            part.start_from_pca(pca, step=0)
        with pytest.raises(ValueError, match="expected a PCA of 6 components, got 5"):
            part.start_from_pca(fit_patch_pca(smooth_patches(60), components=5), step=0.2)


def test_the_latent_scale_by_hand():
    """sqrt(0.04) / 0.1 = 2; sqrt(0.0001) / 0.1 = 0.1, raised to 0.11."""
    pca = PatchPCA(torch.zeros(768), torch.eye(768)[:, :2], torch.tensor([0.04, 0.0001]))
    torch.testing.assert_close(pca.latent_scale(step=0.1), torch.tensor([2.0, 0.11]))
    hyperprior = Hyperprior(HyperpriorConfig(2, hyper_channels=4))
    hyperprior.set_latent_scale(torch.tensor([2.0, 0.1]))
    torch.testing.assert_close(hyperprior.channel_scale, torch.tensor([2.0, 0.11]))
    for wrong in (torch.ones(3), torch.tensor([1.0, 0.0])):
        with pytest.raises(ValueError, match=r"expected \(2,\) values above 0"):
            hyperprior.set_latent_scale(wrong)
