"""Principal components of 16 x 16 image patches: the Karhunen-Loeve transform of photos."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from entropy_hyperprior.likelihood import SCALE_BOUND

STRIDE = 16  # pixels of an image per token, each way
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

    def latent_scale(self, *, step: float) -> Tensor:
        """Return the deviation (C,) of each channel of `basis^T (patch - mean) / step`, >= 0.11."""
        return (self.variance.sqrt() / step).clamp(min=SCALE_BOUND)


def fit_patch_pca(patches: Tensor, *, components: int) -> PatchPCA:
    """Fit the transform in float64.

    Photos are stationary, so the mean patch is assumed flat: one number per colour, which the
    bias of a transposed convolution can represent.

    Args:
        patches: (n, 3, 16, 16), n >= 2.
        components: columns C of the basis, 1 to 768.

    Raises:
        ValueError: if a shape or a number is different.
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
    basis = basis * largest.sign()  # an eigenvector has no sign of its own: fix one
    return PatchPCA(mean=mean.float(), basis=basis.float(), variance=variance.float())
