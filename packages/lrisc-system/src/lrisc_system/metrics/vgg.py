"""The metrics on VGG16 besides LPIPS, with one copy of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from lrisc_system.metrics.backbones import find_weights, vgg16_layers
from lrisc_system.metrics.dists import DISTS
from lrisc_system.metrics.feature_distances import PatchFeatures


@dataclass(frozen=True)
class VGGMetrics:
    """DISTS, and the patch features of KID-VGG and FD-VGG.

    They share their weights but no pass of the network: DISTS pools in its own way, and a patch is
    padded at its border. So does LPIPS, whose network has maxima and sees the image as a whole.
    """

    dists: DISTS
    patches: nn.Module

    @classmethod
    def load(cls, path: Path | None, *, device: torch.device) -> VGGMetrics | None:
        """Load both, or nothing where no file was named and torchvision's cache has none.

        Args:
            path: file of VGG16's weights; torchvision's cache by default.
            device: to measure on.

        Raises:
            ValueError: the file was named, and is missing or holds something else.
        """
        if path is None:
            try:
                path = find_weights("vgg")
            except ValueError:
                return None
        # Channels-last takes less time.
        layers = vgg16_layers(path).to(device).to(memory_format=torch.channels_last)
        return cls(DISTS(layers).to(device), PatchFeatures(layers))
