"""What the system asks of an image decoder, and the plainest one."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Protocol, cast

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
    ) -> Tensor:
        """Decode y_hat (B, C, h, w) to images (B, 3, *image_size) in [0, 1].

        A decoder that samples in several steps may take `steps: int | None = None` too; it is
        passed on when the user names a number.
        """
        ...

    def estimate(
        self, image: Tensor, y_hat: Tensor, *, generator: Generator | None = None
    ) -> TrainingEstimate:
        """Estimate `image` (B, 3, H, W) from y_hat as the loss should see it."""
        ...


class SteppedDecoder(ImageDecoder, Protocol):
    """An image decoder that samples in as many steps as it is told."""

    def decode(
        self,
        y_hat: Tensor,
        *,
        image_size: tuple[int, int],
        generator: Generator | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """Decode y_hat (B, C, h, w) to images (B, 3, *image_size) in [0, 1], in `steps` steps."""
        ...


def takes_steps(decoder: ImageDecoder) -> bool:
    """Tell whether the user may choose the number of steps that a decoder samples in."""
    return "steps" in inspect.signature(decoder.decode).parameters


def decode_image(
    decoder: ImageDecoder,
    y_hat: Tensor,
    *,
    image_size: tuple[int, int],
    generator: Generator | None = None,
    steps: int | None = None,
) -> Tensor:
    """Decode y_hat (B, C, h, w) to images (B, 3, *image_size), in `steps` steps if some are named.

    Raises:
        ValueError: if steps are named and the decoder takes none, or it returns another shape.
    """
    if steps is None:
        image = decoder.decode(y_hat, image_size=image_size, generator=generator)
    elif takes_steps(decoder):
        stepped = cast(SteppedDecoder, decoder)
        image = stepped.decode(y_hat, image_size=image_size, generator=generator, steps=steps)
    else:
        raise ValueError(
            f"expected no steps for an image decoder that does not sample in several, got {steps}"
        )
    expected = (len(y_hat), 3, *image_size)
    if not isinstance(image, Tensor) or tuple(image.shape) != expected:
        got = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise ValueError(
            f"expected an image {expected} from {type(decoder).__name__}.decode, got {got}"
        )
    return image


class RealisticDecoder(ImageDecoder, Protocol):
    """An image decoder that gives images of any realism between 0, faithful, and 1, natural."""

    @property
    def takes_realism(self) -> bool:
        """Whether its network has an input for the realism."""
        ...

    def estimate(
        self,
        image: Tensor,
        y_hat: Tensor,
        *,
        generator: Generator | None = None,
        realism: Tensor | None = None,
    ) -> TrainingEstimate:
        """Estimate `image` (B, 3, H, W) from y_hat, with a realism (B,) in [0, 1]."""
        ...


def takes_realism(decoder: object) -> bool:
    """Tell whether the realism of a decoder's images can be chosen."""
    return bool(getattr(decoder, "takes_realism", False))


def estimate_image(
    decoder: ImageDecoder,
    image: Tensor,
    y_hat: Tensor,
    *,
    generator: Generator | None = None,
    realism: Tensor | None = None,
) -> TrainingEstimate:
    """Estimate images (B, 3, H, W) from y_hat for the loss, with a realism (B,) if one is given."""
    if realism is None:
        return decoder.estimate(image, y_hat, generator=generator)
    realistic = cast(RealisticDecoder, decoder)
    return realistic.estimate(image, y_hat, generator=generator, realism=realism)


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
