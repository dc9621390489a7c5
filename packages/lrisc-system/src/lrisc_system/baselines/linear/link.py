"""The linear link: Karhunen-Loeve transform, analog symbols, LMMSE. Nothing is learned.

patch -> basis^T (patch - mean) -> variance^(-1/4) -> gain of the image -> pairs of reals
      -> channel -> LMMSE -> basis (...) + mean -> patch

Among linear links this power allocation has the least squared error [Lee and Petersen 1976;
SoftCast 2010]. What a trained system must beat.
"""

import math
from collections.abc import Iterable

import torch
from einops import rearrange
from torch import Generator, Tensor, nn

from entropy_hyperprior import PatchPCA, fit_patch_pca
from jscc_ratetoken import (
    dequantize_gain,
    lmmse_weight,
    normalize_power,
    quantize_gain,
    to_complex,
    to_real,
)
from lrisc_system.baselines.linear.analog import PATCH, AnalogModel, AnalogSignal, analog_cbr
from lrisc_system.data.padding import crop_to_size, pad_to_stride

MIN_VARIANCE = 1e-8  # far below the variance of rounding to 8 bits, 1.3e-6


class LinearLink(nn.Module, AnalogModel):
    """Send the leading components of every 16 x 16 patch as they are.

    Args:
        pca: of image patches.
        reals_per_token: components sent for each patch, even; two make a complex symbol.
    """

    mean: Tensor
    basis: Tensor
    deviation: Tensor

    def __init__(self, pca: PatchPCA, *, reals_per_token: int) -> None:
        super().__init__()
        available = pca.basis.shape[1]
        if not 2 <= reals_per_token <= available or reals_per_token % 2:
            raise ValueError(
                f"expected an even number of reals in 2..{available}, got {reals_per_token}"
            )
        variance = pca.variance[:reals_per_token].clamp(min=MIN_VARIANCE)
        self.register_buffer("mean", pca.mean)  # (768,)
        self.register_buffer("basis", pca.basis[:, :reals_per_token])  # (768, k)
        self.register_buffer("deviation", variance.sqrt())  # (k,)

    @torch.no_grad()
    def send(self, image: Tensor) -> AnalogSignal:
        """Turn images `(B, 3, H, W)` in `[0, 1]` into unit-power symbols."""
        patches = rearrange(
            pad_to_stride(image, stride=PATCH),
            "b c (h i) (w j) -> b (h w) (c i j)",
            i=PATCH,
            j=PATCH,
        )  # (B, N, 768)
        amplitudes = (patches - self.mean) @ self.basis / self.deviation.sqrt()  # (B, N, k)
        everything = torch.ones_like(amplitudes, dtype=torch.bool)
        amplitudes, gain = normalize_power(amplitudes, everything)
        code, _ = quantize_gain(gain)
        symbols = to_complex(amplitudes.flatten(1))  # (B, N, k) -> (B, N k / 2)
        return AnalogSignal(symbols=symbols, gain_code=code)

    @torch.no_grad()
    def receive(
        self, signal: AnalogSignal, snr_db: Tensor, *, image_size: tuple[int, int]
    ) -> Tensor:
        """Estimate the images from symbols and gain by LMMSE.

        A component of deviation `d` arrives as amplitude of variance `d` in noise of variance
        `N = sigma^2 / (2 gain^2)` per real number, so its estimate is `d / (d + N)` of it.

        Args:
            signal: with the symbols that the channel gave.
            snr_db: `(B,)`.
            image_size: `(H, W)`.

        Returns:
            `(B, 3, H, W)` in `[0, 1]`.
        """
        height, width = (math.ceil(side / PATCH) for side in image_size)
        gain = dequantize_gain(signal.gain_code)  # (B,)
        amplitudes = to_real(signal.symbols).unflatten(1, (height * width, -1))
        amplitudes = amplitudes / gain[:, None, None]  # (B, N, k)
        weight = lmmse_weight(self.deviation, snr_db=snr_db, gain=gain)  # (B, 1, k)
        components = weight * amplitudes * self.deviation.sqrt()
        image = rearrange(
            components @ self.basis.T + self.mean,
            "b (h w) (c i j) -> b c (h i) (w j)",
            h=height,
            c=3,
            i=PATCH,
        )
        return crop_to_size(image, image_size).clamp(0.0, 1.0)

    def cbr(self, image_size: tuple[int, int], *, snr_db: float) -> float:
        """Channel uses over `3 H W`: the symbols, and the gain's byte at capacity."""
        return analog_cbr(image_size, reals_per_token=self.basis.shape[1], snr_db=snr_db)


def fit_linear_link(
    images: Iterable[Tensor],
    *,
    reals_per_token: int,
    patches_per_image: int = 30,
    generator: Generator | None = None,
) -> LinearLink:
    """Fit the link on random patches of photos.

    Args:
        images: each `(1, 3, H, W)` in `[0, 1]`, H and W at least 16.
        reals_per_token: components sent for each patch, even.
        patches_per_image: taken at random positions.
        generator: of the positions.
    """
    pca = fit_link_basis(
        images,
        components=reals_per_token,
        patches_per_image=patches_per_image,
        generator=generator,
    )
    return LinearLink(pca, reals_per_token=reals_per_token)


def fit_link_basis(
    images: Iterable[Tensor],
    *,
    components: int,
    patches_per_image: int = 30,
    generator: Generator | None = None,
) -> PatchPCA:
    """Fit the transform that links of any bandwidth take their leading components from.

    Args:
        images: each `(1, 3, H, W)` in `[0, 1]`, H and W at least 16.
        components: to keep, 1 to 768.
        patches_per_image: taken at random positions.
        generator: of the positions.
    """
    patches = [_sample_patches(image, patches_per_image, generator) for image in images]
    return fit_patch_pca(torch.cat(patches), components=components)


def _sample_patches(image: Tensor, count: int, generator: Generator | None) -> Tensor:
    """Cut patches (count, 3, 16, 16) at random positions of one image."""
    height, width = image.shape[-2:]
    if min(height, width) < PATCH:
        raise ValueError(f"expected photos of at least 16 x 16, got {height} x {width}")
    rows = torch.randint(height - PATCH + 1, (count,), generator=generator).tolist()
    columns = torch.randint(width - PATCH + 1, (count,), generator=generator).tolist()
    cuts = [image[0, :, i : i + PATCH, j : j + PATCH] for i, j in zip(rows, columns, strict=True)]
    return torch.stack(cuts)
