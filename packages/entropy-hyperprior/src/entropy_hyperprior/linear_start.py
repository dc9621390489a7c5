"""Start the transforms at the optimum of linear algebra: the PCA of 16 x 16 patches.

y = basis^T (patch - mean) / step, image = basis step y + mean; no training needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from entropy_hyperprior.hyperprior import Hyperprior
from entropy_hyperprior.likelihood import SCALE_BOUND
from entropy_hyperprior.transforms import STRIDE, AnalysisTransform, SynthesisTransform

PATCH = (3, STRIDE, STRIDE)
PATCH_SIZE = 3 * STRIDE * STRIDE


@dataclass(frozen=True)
class PatchPCA:
    """Karhunen-Loeve transform of image patches, flattened in the order (colour, row, column).

    Args:
        mean: (768,), flat within each colour.
        basis: (768, C), orthonormal columns by falling variance.
        variance: (C,), variance of each component.
    """

    mean: Tensor
    basis: Tensor
    variance: Tensor


def fit_patch_pca(patches: Tensor, *, components: int) -> PatchPCA:
    """Fit the transform in float64.

    Photos are stationary, so the mean patch is taken as flat: one number per colour, which
    a transposed convolution's bias can hold.

    Args:
        patches: (n, 3, 16, 16), n >= 2.
        components: columns C of the basis, 1 to 768.

    Raises:
        ValueError: at other shapes or numbers.
    """
    if patches.ndim != 4 or tuple(patches.shape[1:]) != PATCH or len(patches) < 2:
        raise ValueError(f"expected (n, 3, 16, 16) with n >= 2, got {tuple(patches.shape)}")
    if not 1 <= components <= PATCH_SIZE:
        raise ValueError(f"expected 1 to {PATCH_SIZE} components, got {components}")
    patches = patches.double()
    mean = patches.mean(dim=(0, 2, 3), keepdim=True).expand(1, *PATCH).flatten()
    centred = patches.flatten(1) - mean  # (n, 768)
    covariance = centred.T @ centred / len(centred)
    variance, basis = torch.linalg.eigh(covariance)  # rising
    variance = variance.flip(0)[:components].clamp(min=0.0)
    basis = basis.flip(1)[:, :components]
    largest = basis.gather(0, basis.abs().argmax(dim=0, keepdim=True))
    basis = basis * largest.sign()  # the sign of an eigenvector is free: fix it
    return PatchPCA(mean=mean.float(), basis=basis.float(), variance=variance.float())


@torch.no_grad()
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
    kernels = pca.basis.T.reshape(channels, *PATCH)  # (768, C) -> (C, 3, 16, 16)
    _set(g_a.linear.weight, kernels / step)
    _set(g_a.linear.bias, -(pca.mean @ pca.basis) / step)
    _set(g_s.linear.weight, kernels * step)
    _set(g_s.linear.bias, pca.mean.reshape(3, -1).mean(dim=1))
    scale = (pca.variance.sqrt() / step).clamp(min=SCALE_BOUND)
    hyperprior.channel_scale.copy_(scale)
    g_s.branch_scale.copy_(scale.sqrt())


def _set(parameter: Tensor | None, value: Tensor) -> None:
    if parameter is None:
        raise ValueError("expected linear paths with weight and bias, got one without")
    parameter.copy_(value)
