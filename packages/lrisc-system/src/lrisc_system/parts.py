"""What each part that is handed to `LRISC` must offer, and what it may offer.

Every part is a `torch.nn.Module`, so that its weights are trained, saved and loaded. Beside what
it must offer, a part may have any of these methods. Whoever needs one looks for it by name, so a
part without it works all the same:

| method | looked for by | what for |
| --- | --- | --- |
| `start_from_pca` | training | the closed-form start, on any module inside a part |
| `set_latent_scale` | training | telling `hyperprior` and `decoder` the spread of the latent |
| `check_tables` | reading a model | refusing a `hyperprior` whose tables are wrong |
| `check_strings` | `LRISC.receive` | refusing too short a `hyperprior` string before decoding |
| `compile` | training | `--compile`; every module has one |
| `recompute_gradients`, `recomputed_modules` | training | `--checkpoint-gradients` |
| `decode(..., steps=, sampler=, callback=)` | `LRISC.receive` | sampling as the user chooses |
| `likeliest_prior` | `LRISC.receive` | decoding a packet of which z was lost, on `hyperprior` |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from torch import Generator, Tensor, nn

from entropy_hyperprior import HyperpriorOutput, LatentPrior, PatchPCA


def modules_with(model: nn.Module, method: str) -> list[Any]:
    """List the modules inside a model, and itself, whose class has a method of this name."""
    return [module for module in model.modules() if hasattr(type(module), method)]


class AnalysisPart(Protocol):
    """g_a: the analysis transform. `entropy_hyperprior.AnalysisTransform` is one."""

    def __call__(self, image: Tensor, /) -> Tensor:
        """Map images (B, 3, H, W) in [0, 1] to latents (B, C, H/16, W/16)."""
        ...


class HyperpriorPart(Protocol):
    """The entropy model of Eq. (5), with real bytes. `entropy_hyperprior.Hyperprior` is one."""

    def __call__(self, y: Tensor, /, *, generator: Generator | None = None) -> HyperpriorOutput:
        """Estimate the bits of latents (B, C, h, w); `generator` makes the noise in training."""
        ...

    def compress(self, y: Tensor, /) -> list[bytes]:
        """Code the side information of each latent (B, C, h, w): B strings."""
        ...

    def decompress(
        self, strings: Sequence[bytes], /, *, latent_size: tuple[int, int]
    ) -> LatentPrior:
        """Rebuild mean and scale (B, C, h, w) from the strings alone, as the sender saw them."""
        ...

    def update(self) -> None:
        """Make what `compress` and `decompress` need from the trained weights."""
        ...


class JSCCEncoderPart(Protocol):
    """f_e of Eq. (7). `jscc_ratetoken.JSCCEncoder` is one."""

    def __call__(
        self, y: Tensor, rate_index: Tensor, snr_db: Tensor, /, *, mean: Tensor, scale: Tensor
    ) -> Tensor:
        """Map y (B, C, h, w) to real numbers (B, N, v_max), zero beyond each token's rate."""
        ...


class JSCCDecoderPart(Protocol):
    """f_d, the receiver's side of f_e. `jscc_ratetoken.JSCCDecoder` is one."""

    def __call__(
        self,
        s_hat: Tensor,
        rate_index: Tensor,
        snr_db: Tensor,
        /,
        *,
        gain: Tensor,
        mean: Tensor,
        scale: Tensor,
    ) -> Tensor:
        """Estimate y (B, C, h, w) from received numbers (B, N, v_max)."""
        ...


class StartsFromPCA(Protocol):
    """A module that can be set in closed form from the principal components of photos."""

    def start_from_pca(self, pca: PatchPCA, *, step: float) -> None:
        """Set the weights for a latent `y = basis^T (patch - mean) / step`.

        Args:
            pca: of 16 x 16 patches.
            step: size of one latent unit in units of the image.
        """
        ...


class TakesLatentScale(Protocol):
    """A part that wants to know how large the latent's channels are."""

    def set_latent_scale(self, scale: Tensor) -> None:
        """Take the standard deviation (C,) of each latent channel."""
        ...


class RecomputesGradients(Protocol):
    """A part that can compute its activations again in the backward pass, to save memory."""

    def recompute_gradients(self, enabled: bool) -> None:
        """Turn that on or off."""
        ...

    def recomputed_modules(self) -> Iterable[nn.Module]:
        """List the modules whose inside is computed again; `lrisc plan` counts what it saves."""
        ...
