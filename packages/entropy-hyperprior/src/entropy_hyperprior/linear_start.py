"""Initialise the transforms by their linear optimum: the PCA of 16 x 16 patches.

y = basis^T (patch - mean) / step, image = basis step y + mean. This needs no training.
"""

from __future__ import annotations

from entropy_hyperprior.hyperprior import Hyperprior
from entropy_hyperprior.patch_pca import PatchPCA
from entropy_hyperprior.transforms import AnalysisTransform, SynthesisTransform


def start_from_pca(
    g_a: AnalysisTransform,
    g_s: SynthesisTransform,
    hyperprior: Hyperprior,
    pca: PatchPCA,
    *,
    step: float,
) -> None:
    """Set the linear paths and the scales; the branches stay zero.

    Args:
        g_a: computes ``y = basis^T (patch - mean) / step`` afterwards.
        g_s: computes the inverse on the span of the basis afterwards. Its branch takes each
            component divided by the root of its scale, halfway between raw and whitened.
        hyperprior: has ``channel_scale = sqrt(variance) / step`` afterwards, at least 0.11.
        pca: with as many components as the latent has channels.
        step: width of a quantisation bin of y in units of the image, > 0. Rounding y would
            cost the image a mean squared error of step^2 / 12.

    Raises:
        ValueError: when step is not positive or the channels disagree.
    """
    if not step > 0:
        raise ValueError(f"expected step > 0, got {step}")
    channels = g_a.linear.out_channels
    if not channels == pca.basis.shape[1] == g_s.latent_channels == len(hyperprior.channel_scale):
        raise ValueError(
            f"expected equal channels, got g_a {channels}, g_s {g_s.latent_channels}, "
            f"hyperprior {len(hyperprior.channel_scale)}, PCA {pca.basis.shape[1]}"
        )
    g_a.start_from_pca(pca, step=step)
    g_s.start_from_pca(pca, step=step)
    hyperprior.set_latent_scale(pca.latent_scale(step=step))
