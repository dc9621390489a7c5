"""What the system asks of an image decoder, and the plainest one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor, nn


class TrainingEstimate(Protocol):
    """What a decoder shows the loss: an image, and how much its error counts."""

    @property
    def image(self) -> Tensor:
        """Estimate of the source image, (B, 3, H, W), nominally in [0, 1]."""
        ...

    @property
    def weight(self) -> Tensor:
        """Weight of each image's distortion, (B,); w_t of Eq. (10) for a diffusion decoder."""
        ...


class ImageDecoder(Protocol):
    """Anything that turns a received latent into an image.

    `cond_diffusion.DiffusionDecoder` and `SynthesisDecoder` satisfy it.
    """

    def decode(
        self,
        y_hat: Tensor,
        *,
        image_size: tuple[int, int],
        generator: Generator | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """Decode y_hat (B, C, h, w) to images (B, 3, *image_size) in [0, 1]."""
        ...

    def estimate(
        self, image: Tensor, y_hat: Tensor, *, generator: Generator | None = None
    ) -> TrainingEstimate:
        """Estimate `image` (B, 3, H, W) from y_hat as the loss should see it."""
        ...


@dataclass(frozen=True)
class PlainEstimate:
    """The estimate of a decoder without noise levels: every image counts the same."""

    image: Tensor  # (B, 3, H, W)
    weight: Tensor  # (B,)


class SynthesisDecoder(nn.Module):
    """Decode with the synthesis transform alone, without diffusion.

    Args:
        synthesis: y_hat (B, C, h, w) -> image (B, 3, 16 h, 16 w); g_s.
    """

    def __init__(self, synthesis: nn.Module) -> None:
        super().__init__()
        self.synthesis = synthesis

    def decode(
        self,
        y_hat: Tensor,
        *,
        image_size: tuple[int, int],
        generator: Generator | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """Decode y_hat (B, C, h, w) to images (B, 3, *image_size) in [0, 1]."""
        height, width = image_size
        image: Tensor = self.synthesis(y_hat)[..., :height, :width]
        return image.clamp(0, 1)

    def estimate(
        self, image: Tensor, y_hat: Tensor, *, generator: Generator | None = None
    ) -> PlainEstimate:
        """Estimate the image (B, 3, H, W), each with weight 1."""
        return PlainEstimate(
            image=self.synthesis(y_hat), weight=torch.ones(len(image), device=image.device)
        )
