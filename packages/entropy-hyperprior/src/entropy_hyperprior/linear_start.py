"""Start the transforms at the optimum of linear algebra: the PCA of 16 x 16 patches.

y = basis^T (patch - mean) / step, image = basis step y + mean; no training needed.
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
    """Set the linear paths and the scales; the branches keep their zero start.

    Args:
        g_a: gets ``y = basis^T (patch - mean) / step``.
        g_s: gets its inverse on the span of the basis; its branch sees each component
            divided by the root of its scale, halfway between raw and whitened.
        hyperprior: gets ``channel_scale = sqrt(variance) / step``, at least 0.11.
        pca: of as many components as the latent has channels.
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
