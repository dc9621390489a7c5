"""DISTS without downloads: similarity of structure and texture on VGG16's features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from lrisc_system.metrics.backbones import WEIGHTS, FrozenModule, imagenet_normalize

STAGES = ((0, 4), (5, 9), (10, 16), (17, 23), (24, 30))  # up to relu1_2, 2_2, 3_3, 4_3, 5_3
CHANNELS = (3, 64, 128, 256, 512, 512)  # of the image and of the stages
STABILITY = 1e-6  # c1 and c2
WEIGHTS_PATH = WEIGHTS / "dists.safetensors"


class DISTS(FrozenModule):
    """Deep image structure and texture similarity, frozen and always in evaluation mode.

    Images are measured at their own size; the authors shrink the shorter side to 256 pixels first.

    Args:
        layers: layers of VGG16, as `vgg16_layers` builds them.
        alpha: weights of texture (means), (1475,); those published with the metric by default.
        beta: weights of structure (covariances), as `alpha`.

    Raises:
        ValueError: weights of another shape.
    """

    alpha: Tensor
    beta: Tensor

    def __init__(
        self, layers: nn.Sequential, *, alpha: Tensor | None = None, beta: Tensor | None = None
    ) -> None:
        super().__init__()
        self.backbone: nn.Module = DISTSBackbone(layers)
        for name, weights in {"alpha": alpha, "beta": beta}.items():
            found = load_file(WEIGHTS_PATH)[name] if weights is None else weights
            if found.shape != (sum(CHANNELS),):
                raise ValueError(f"expected {name} ({sum(CHANNELS)},), got {tuple(found.shape)}")
            self.register_buffer(name, found)
        self.eval()

    def forward(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """Compute the distance of each pair, in float32 even under autocast.

        Args:
            x: (B, 3, H, W) in [0, 1].
            x_hat: as `x`.

        Returns:
            (B,), 0 for equal images. Source: Ding et al., "Image quality assessment: unifying
            structure and texture similarity", 2020.

        Raises:
            ValueError: shapes that do not fit.
        """
        if x.shape != x_hat.shape or x.ndim != 4 or x.shape[1] != 3:
            raise ValueError(
                f"expected two images (B, 3, H, W), got {tuple(x.shape)} and {tuple(x_hat.shape)}"
            )
        with torch.autocast(device_type=x.device.type, enabled=False):
            pairs = zip(self.backbone(x.float()), self.backbone(x_hat.float()), strict=True)
            similarities = [texture_and_structure(f, g) for f, g in pairs]
        texture, structure = (torch.cat(each, dim=1) for each in zip(*similarities, strict=True))
        total = self.alpha.sum() + self.beta.sum()
        return 1 - (texture @ self.alpha + structure @ self.beta) / total  # (B, 1475) -> (B,)


class DISTSBackbone(nn.Module):
    """VGG16 with L2 pooling in place of its maxima: images (B, 3, H, W) -> six feature maps.

    Args:
        layers: layers of VGG16, as `vgg16_layers` builds them.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.stages = nn.ModuleList(layers[first:end] for first, end in STAGES)

    def forward(self, image: Tensor) -> Sequence[Tensor]:
        """Return the image and the last feature map of each stage."""
        features = [image]
        h = imagenet_normalize(image)
        for number, stage in enumerate(self.stages):
            h = stage(h if number == 0 else l2_pool(h))
            features.append(h)
        return features


def l2_pool(x: Tensor) -> Tensor:
    """Halve a feature map: the root of squares averaged with a 3 x 3 Hann window.

    Args:
        x: (B, C, H, W).

    Returns:
        (B, C, ceil(H / 2), ceil(W / 2)).
    """
    window = x.new_tensor([0.25, 0.5, 0.25])
    kernel = (window[:, None] * window).expand(x.shape[1], 1, 3, 3)
    squares = F.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1])
    return (squares + 1e-12).sqrt()


def texture_and_structure(f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Compare feature maps channel by channel: their means, and their covariance.

    Args:
        f: (B, C, h, w).
        g: as `f`.

    Returns:
        Two similarities (B, C), 1 where the maps are equal.
    """
    f_mean, g_mean = (h.mean(dim=(2, 3), keepdim=True) for h in (f, g))
    f, g = f - f_mean, g - g_mean
    variances = f.square().mean(dim=(2, 3)) + g.square().mean(dim=(2, 3))
    covariance = (f * g).mean(dim=(2, 3))
    means = f_mean.square() + g_mean.square()
    texture = (2 * f_mean * g_mean + STABILITY) / (means + STABILITY)
    structure = (2 * covariance + STABILITY) / (variances + STABILITY)
    return texture.flatten(1), structure
