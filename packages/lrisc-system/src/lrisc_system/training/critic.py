"""The critic of adversarial training: it tells received images from source images, patch by patch.

             image -> random view -> AlexNet (frozen) -> relu 1, 2, 3 -> heads
    image, coarse source -> random view -> convolutions from stride 1 on

Every head gives a map of logits. The coarse source (one value for 8 x 8 pixels) is shown with the
image, so that the critic also sees whether the image fits what it should show.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from lrisc_system.metrics.lpips import lpips_network

FEATURE_CHANNELS = (64, 192, 384)  # of AlexNet's first three layers
COARSE = 8  # pixels, side of a value of the coarse source
LARGEST_OFFSET = 16  # pixels, the stride of the latent
SMALLEST_SQUARE = 1e-12  # of a singular value
COLOUR_RANGE = 0.1  # of the random brightness, and of the contrast about 1


@dataclass(frozen=True)
class View:
    """A random view of an image, so that no pattern keeps its place on the critic's strides.

    Attributes:
        top, left: first row and column that are shown, in [0, 16); the last are shown to match, so
            that all views have one size, 16 pixels less than the image.
        enlargement: 1, or 2 for a random quarter of the image at twice its size.
        quarter: top and left of this quarter, as fractions of what may be cut off, in [0, 1].
        brightness, contrast: added to the image, and multiplied with it.
    """

    top: int
    left: int
    enlargement: int
    quarter: tuple[float, float]
    brightness: float
    contrast: float

    @classmethod
    def draw(cls, generator: Generator) -> View:
        """Draw a view; the generator is on the CPU, for a view decides shapes."""
        top, left = torch.randint(LARGEST_OFFSET, (2,), generator=generator).tolist()
        enlargement = int(torch.randint(1, 3, (), generator=generator))
        row, column, brightness, contrast = torch.rand(4, generator=generator).tolist()
        return cls(
            top=top,
            left=left,
            enlargement=enlargement,
            quarter=(row, column),
            brightness=COLOUR_RANGE * (2 * brightness - 1),
            contrast=1 + COLOUR_RANGE * (2 * contrast - 1),
        )

    def cut(self, image: Tensor) -> Tensor:
        """Cut and enlarge (B, c, H, W)."""
        height, width = (side - LARGEST_OFFSET for side in image.shape[-2:])
        image = image[..., self.top : self.top + height, self.left : self.left + width]
        if self.enlargement == 1:
            return image
        for dimension, fraction in zip((-2, -1), self.quarter, strict=True):
            side = image.shape[dimension]
            part = side // self.enlargement
            image = image.narrow(dimension, round(fraction * (side - part)), part)
        return F.interpolate(image, scale_factor=float(self.enlargement), mode="bilinear")

    def recolour(self, image: Tensor) -> Tensor:
        """Change brightness and contrast of (B, 3, H, W)."""
        return self.contrast * image + self.brightness


class SpectralNorm(nn.Module):
    """Divide a kernel (out, in, h, w) by its largest singular value as a matrix (out, in h w).

    The value is exact, not that of a power iteration: without a state that every batch moves, any
    number of processes and micro-batches trains the same critic.
    """

    def forward(self, kernel: Tensor) -> Tensor:
        """Normalise the kernel."""
        rows = kernel.flatten(1)
        gram = rows @ rows.T  # (out, out)
        largest: Tensor = torch.linalg.eigvalsh(gram)[-1]
        return kernel / largest.clamp(min=SMALLEST_SQUARE).sqrt()


class Critic(nn.Module):
    """Maps of logits, positive where an image looks like a source image.

    Source: hinge GAN on projected features (Sauer et al. 2021) and on patches of pixels (Isola et
    al. 2017), both with spectral normalisation (Miyato et al. 2018), random views as in
    differentiable augmentation (Zhao et al. 2020).

    Args:
        width: channels of a head; the convolutions on pixels have `width // 2` to `3 * width // 2`.
    """

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        # Not a submodule: its frozen weights are neither trained nor saved.
        self._features = [lpips_network("alex").network]
        self.heads = nn.ModuleList(
            _stack((channels + 3, 1, 1), (width, 3, 1), (width, 3, 1))
            for channels in FEATURE_CHANNELS
        )
        self.pixels = _stack((6, 3, 1), (width // 2, 4, 2), (width, 4, 2), (3 * width // 2, 3, 1))

    def forward(self, image: Tensor, source: Tensor, *, view: View) -> list[Tensor]:
        """Judge images.

        Args:
            image: (B, 3, H, W) in [0, 1], H and W at least 96.
            source: source images of the same shape; only their coarse colours are shown.
            view: of all images.

        Returns:
            Four maps of logits (B, 1, h, w): on three layers of AlexNet, and on pixels.
        """
        coarse = F.interpolate(
            F.avg_pool2d(source, COARSE), scale_factor=float(COARSE), mode="bilinear"
        )
        image, coarse = (view.recolour(view.cut(shown)) for shown in (image, coarse))
        logits = []
        for head, features in zip(self.heads, self._layers(image), strict=True):
            context = F.interpolate(coarse, size=features.shape[-2:], mode="area")
            logits.append(head(torch.cat([features, context], dim=1)))
        return [*logits, self.pixels(torch.cat([2 * image - 1, 2 * coarse - 1], dim=1))]

    def _layers(self, image: Tensor) -> list[Tensor]:
        """Compute AlexNet's first three layers, (B, c, h, w) each, of unit mean power."""
        network = self._features[0].to(image.device)
        h, layers = network.scaling_layer(2 * image - 1), []
        for slice_ in (network.net.slice1, network.net.slice2, network.net.slice3):
            h = slice_(h)
            layers.append(h * h.square().mean(dim=(1, 2, 3), keepdim=True).add(1e-6).rsqrt())
        return layers


def _stack(*layers: tuple[int, int, int]) -> nn.Sequential:
    """Stack convolutions of (in channels, side, stride) to one channel, with spectral norm."""
    outputs = [channels for channels, _, _ in layers[1:]] + [1]
    modules: list[nn.Module] = []
    for (channels, side, stride), out in zip(layers, outputs, strict=True):
        convolution = nn.Conv2d(channels, out, side, stride=stride, padding=(side - 1) // 2)
        register_parametrization(convolution, "weight", SpectralNorm())
        modules += [convolution, nn.LeakyReLU(0.2)]
    return nn.Sequential(*modules[:-1])


def critic_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Compute the hinge loss of the critic, a scalar.

    Args:
        real: logits of source images.
        fake: logits of received images.
    """
    losses = [
        F.relu(1 - on_real).mean() + F.relu(1 + on_fake).mean()
        for on_real, on_fake in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def adversarial_loss(fake: list[Tensor], *, weight: Tensor) -> Tensor:
    """Compute the hinge loss of the model that made the received images, a scalar.

    Args:
        fake: logits of received images.
        weight: of each place of each image, (B, 1, H, W), cut as the images were.
    """
    losses = [
        -(F.interpolate(weight, logits.shape[-2:], mode="area") * logits).mean() for logits in fake
    ]
    return torch.stack(losses).mean()
