"""How far a set of received images is from a set of originals, on VGG16's features of patches.

KID-VGG and FD-VGG have the formulas of KID and FID and other features, so their figures compare
with each other only. They are not Inception figures: no published KID or FID compares with them.

A patch has 1,024 numbers: the means of relu4_3 and of relu5_3 over the patch, side by side, as VGG
gives them, without any scaling. Each patch passes the network alone, its border padded with zeros.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrisc_system.metrics.backbones import FrozenModule, imagenet_normalize

PATCH, STRIDE = 64, 32  # pixels
RELU4_3 = 22  # its index among VGG16's layers
FEATURES = 1024
TOGETHER = 16  # patches in a batch: more need memory and gain no speed
ROWS = 1024  # rows of a kernel matrix in memory at once


class PatchFeatures(FrozenModule):
    """Describe every patch of 64 x 64 pixels at a stride of 32 by 1,024 features.

    Args:
        layers: layers of VGG16, as `vgg16_layers` builds them.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.lower, self.upper = layers[: RELU4_3 + 1], layers[RELU4_3 + 1 :]
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        """Cut images into patches and describe each, in float32 even under autocast.

        Args:
            image: (B, 3, H, W) in [0, 1].

        Returns:
            (B N, 1024), the N patches of the first image first; N is 0 where a side is under 64.
        """
        with torch.autocast(device_type=image.device.type, enabled=False):
            batches = cut_patches(image.float()).split(TOGETHER)
            return torch.cat([self._describe(batch) for batch in batches])

    def _describe(self, patches: Tensor) -> Tensor:
        if not len(patches):
            return patches.new_zeros(0, FEATURES)
        relu4_3 = self.lower(imagenet_normalize(patches))
        means = [h.mean(dim=(2, 3)) for h in (relu4_3, self.upper(relu4_3))]
        return torch.cat(means, dim=1)


def cut_patches(image: Tensor) -> Tensor:
    """Cut overlapping patches: (B, 3, H, W) -> (B N, 3, 64, 64).

    What is right of or below the last whole patch is left out.
    """
    if min(image.shape[-2:]) < PATCH:
        return image.new_zeros(0, 3, PATCH, PATCH)
    columns = F.unfold(image, PATCH, stride=STRIDE)  # (B, 3 * 64 * 64, N)
    return columns.transpose(1, 2).reshape(-1, 3, PATCH, PATCH)


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Estimate the squared maximum mean discrepancy of two samples without bias, as KID does.

    The kernel is `(x . y / d + 1)^3` with the number of features d.

    Args:
        x: (M, d), M at least 2.
        y: (N, d), N at least 2.

    Returns:
        0 on average for samples of one distribution, and then as often below 0 as above; tables
        show it times 1000. Source: Binkowski et al., "Demystifying MMD GANs", 2018.

    Raises:
        ValueError: shapes that do not fit, or fewer than two samples.
    """
    _require_samples(x, y)
    within = sum(_kernel_sum(z, z, diagonal=False) / (len(z) * (len(z) - 1)) for z in (x, y))
    return within - 2 * _kernel_sum(x, y, diagonal=True) / (len(x) * len(y))


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Compute the Frechet distance of two normal distributions with the samples' moments, as FID.

    Fewer samples than features give a singular covariance and a figure that is too large, so
    compare only figures of equally many samples.

    Args:
        x: (M, d), M at least 2.
        y: (N, d), N at least 2.

    Returns:
        0 for equal moments. Source: Heusel et al., "GANs trained by a two time-scale update rule",
        2017.

    Raises:
        ValueError: as for `kernel_distance`.
    """
    _require_samples(x, y)
    x, y = x.double(), y.double()
    difference = x.mean(dim=0) - y.mean(dim=0)
    x_covariance, y_covariance = (torch.atleast_2d(z.T.cov()) for z in (x, y))
    values, vectors = torch.linalg.eigh(x_covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # The product of both covariances has the eigenvalues of this symmetric matrix.
    product = torch.linalg.eigvalsh(root @ y_covariance @ root)
    traces = x_covariance.trace() + y_covariance.trace() - 2 * product.clamp(min=0).sqrt().sum()
    return float(difference.square().sum() + traces)


def _kernel_sum(x: Tensor, y: Tensor, *, diagonal: bool) -> float:
    """Sum the kernel over all pairs, or over those of different index."""
    total = 0.0
    for rows in x.split(ROWS):
        total += (rows @ y.T / x.shape[1] + 1).double().pow(3).sum().item()
    if not diagonal:
        total -= (x.square().sum(dim=1) / x.shape[1] + 1).double().pow(3).sum().item()
    return total


def _require_samples(x: Tensor, y: Tensor) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(
            f"expected two samples (N, d) of at least two rows, got {tuple(x.shape)} and "
            f"{tuple(y.shape)}"
        )
