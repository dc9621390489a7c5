"""The closed-form initial weights: every learned map starts as its linear optimum."""

from __future__ import annotations

import torch
from torch import Tensor

from entropy_hyperprior import fit_patch_pca
from lrisc_system.config import STRIDE
from lrisc_system.data.photos import Source
from lrisc_system.parts import modules_with
from lrisc_system.system import LRISC

LATENT_STEP = 0.14
"""Size of one latent unit in image units: the width of the rounding of Eq. (5)."""

MIN_DEVIATION = 1e-3
"""Least deviation of a latent channel."""

CROP_TOKENS = 8
"""Tokens of a crop along each side."""


def start_in_closed_form(
    system: LRISC, photos: Source, *, patches: int = 36_000, seed: int = 0
) -> None:
    """Initialise from photos, without a gradient step, the parts that can be.

    If g_a has the method `start_from_pca`, it and every other module of the system that has one
    (such as a g_s inside the image decoder) start from the PCA of 16 x 16 patches. Otherwise the
    latent is measured as g_a gives it. Either way the deviation of the latent's channels goes to
    the hyperprior and to the image decoder, if they have the method `set_latent_scale`. All other
    parts start as they were built: ours as the identity or the least-squares estimate, so that
    the whole chain is then the linear link with the hyperprior's variances.

    Args:
        system: just built.
        photos: to take crops of 128 x 128 from.
        patches: how many tokens the crops hold, at most.
        seed: of the crops.
    """
    crops = photos.crops(size=CROP_TOKENS * STRIDE, count=patches // CROP_TOKENS**2, seed=seed)
    if hasattr(system.g_a, "start_from_pca"):
        cut = torch.cat([cut_patches(image) for image in crops])
        pca = fit_patch_pca(cut, components=system.config.transform.latent_channels)
        for module in modules_with(system, "start_from_pca"):
            module.start_from_pca(pca, step=LATENT_STEP)
        scale = pca.latent_scale(step=LATENT_STEP)
    else:
        scale = measure_latent_scale(system, list(crops))
    for part in (system.hyperprior, system.decoder):
        if hasattr(part, "set_latent_scale"):
            part.set_latent_scale(scale)


def cut_patches(image: Tensor) -> Tensor:
    """Cut an image (3, H, W) into its patches (h * w, 3, 16, 16)."""
    grid = image.unfold(1, STRIDE, STRIDE).unfold(2, STRIDE, STRIDE)  # (3, h, w, 16, 16)
    return grid.permute(1, 2, 0, 3, 4).flatten(0, 1)


@torch.no_grad()
def measure_latent_scale(system: LRISC, images: list[Tensor]) -> Tensor:
    """Measure the deviation (C,) of each channel of g_a(image), images (3, H, W) of one size."""
    y = torch.cat([system.g_a(image[None]) for image in images])  # (n, C, h, w)
    return y.std(dim=(0, 2, 3)).clamp(min=MIN_DEVIATION)
