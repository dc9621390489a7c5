"""What the system asks of an image decoder, and the plainest one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Generator, Tensor, nn

from cond_diffusion import Callback, Sampler


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

        A decoder that samples in several steps may also take `steps: int | None = None`,
        `sampler: Sampler | None = None` and `callback: Callback | None = None`. Each is passed on
        when the user gives it. So is `realism: float = 0.0` in [0, 1], to a decoder whose attribute
        `takes_realism` is true.
        """
        ...

    def estimate(
        self, image: Tensor, y_hat: Tensor, *, generator: Generator | None = None
    ) -> TrainingEstimate:
        """Estimate `image` (B, 3, H, W) from y_hat as the loss should see it."""
        ...


def takes(decoder: ImageDecoder, option: str) -> bool:
    """Tell whether the user may pass this option to the `decode` of a decoder."""
    return option in inspect.signature(decoder.decode).parameters


def decode_image(
    decoder: ImageDecoder,
    y_hat: Tensor,
    *,
    image_size: tuple[int, int],
    generator: Generator | None = None,
    steps: int | None = None,
    sampler: Sampler | None = None,
    callback: Callback | None = None,
    realism: float = 0.0,
) -> Tensor:
    """Decode y_hat (B, C, h, w) to images (B, 3, *image_size), with the options that are given.

    Raises:
        ValueError: if an option is given that the decoder does not take, or it returns another
            shape.
    """
    options: dict[str, object] = {"steps": steps, "sampler": sampler, "callback": callback}
    given = {name: value for name, value in options.items() if value is not None}
    if realism != 0:
        if not takes_realism(decoder):
            raise ValueError(
                f"expected realism 0 for {type(decoder).__name__}, an image decoder that takes no "
                f"realism, got {realism}"
            )
        given["realism"] = realism
    for name, value in given.items():
        if not takes(decoder, name):
            raise ValueError(
                f"expected no {name} for {type(decoder).__name__}, an image decoder that does not "
                f"sample in several steps, got {value}"
            )
    decode: Callable[..., Tensor] = decoder.decode
    image = decode(y_hat, image_size=image_size, generator=generator, **given)
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
        """Whether it gives images of realism above 0."""
        ...

    def estimate(
        self,
        image: Tensor,
        y_hat: Tensor,
        *,
        generator: Generator | None = None,
        natural: bool = False,
    ) -> TrainingEstimate:
        """Estimate `image` (B, 3, H, W) from y_hat, faithfully or with realism 1."""
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
    natural: bool = False,
) -> TrainingEstimate:
    """Estimate images (B, 3, H, W) from y_hat for the loss, faithfully or with realism 1."""
    if not natural:
        return decoder.estimate(image, y_hat, generator=generator)
    realistic = cast(RealisticDecoder, decoder)
    return realistic.estimate(image, y_hat, generator=generator, natural=True)


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
