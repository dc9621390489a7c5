"""Synthetic images for a check without photos."""

import torch
from torch import Tensor


def synthetic_images(count: int, *, size: int, seed: int = 0) -> Tensor:
    """Draw random colour images with the 1/f amplitude spectrum of photos.

    Args:
        count: B, the number of images.
        size: H and W, pixels.
        seed: of the draw.

    Returns:
        (B, 3, size, size) in [0, 1].
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 3, size, size, generator=generator)
    rows = torch.fft.fftfreq(size)[:, None] * size
    columns = torch.fft.rfftfreq(size) * size
    amplitude = 1 / (rows.square() + columns.square()).sqrt().clamp(min=1)
    field = torch.fft.irfft2(torch.fft.rfft2(noise) * amplitude, s=(size, size))
    field = field / field.std(dim=(1, 2, 3), keepdim=True)
    return (0.5 + 0.2 * field).clamp(0, 1)
