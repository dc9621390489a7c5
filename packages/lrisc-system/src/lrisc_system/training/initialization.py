"""The closed-form start: every learned map begins as its linear optimum."""

from __future__ import annotations

import torch

from cond_diffusion import DiffusionDecoder
from entropy_hyperprior import SynthesisTransform, fit_patch_pca, start_from_pca
from lrisc_system.config import STRIDE
from lrisc_system.data.photos import Source
from lrisc_system.system import LRISC

LATENT_STEP = 0.14
"""Size of one latent unit in image units: the width of the rounding of Eq. (5)."""


def start_in_closed_form(
    system: LRISC, photos: Source, *, patches: int = 36_000, seed: int = 0
) -> None:
    """Set g_a, g_s and the hyperprior's scales from the PCA of 16 x 16 patches of photos.

    The other components start as the identity or the least-squares estimate by construction,
    so that the whole chain is then the linear link with the hyperprior's variances.
    """
    synthesis = next(m for m in system.modules() if isinstance(m, SynthesisTransform))
    side = 8  # patches of a crop along each side
    cut = []
    for image in photos.crops(size=side * STRIDE, count=patches // side**2, seed=seed):
        grid = image.unfold(1, STRIDE, STRIDE).unfold(2, STRIDE, STRIDE)  # (3, 8, 8, 16, 16)
        cut.append(grid.permute(1, 2, 0, 3, 4).flatten(0, 1))  # (64, 3, 16, 16)
    pca = fit_patch_pca(torch.cat(cut), components=system.config.transform.latent_channels)
    start_from_pca(system.g_a, synthesis, system.hyperprior, pca, step=LATENT_STEP)
    if isinstance(system.decoder, DiffusionDecoder):
        system.decoder.set_latent_scale(system.hyperprior.channel_scale)
