"""Conversion to CIE Lab, in which equal distances look about equally different."""

import torch
from torch import Tensor

# sRGB to XYZ under D65, rows divided by the white point, IEC 61966-2-1.
_RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)


def rgb_to_lab(image: Tensor) -> Tensor:
    """Convert sRGB in [0, 1] to CIE Lab under D65.

    Source: IEC 61966-2-1 for the sRGB curve and primaries, CIE 15 for Lab.

    Args:
        image: Images (B, 3, H, W), values in [0, 1].

    Returns:
        L in [0, 100], a and b in about [-110, 100], (B, 3, H, W).
    """
    linear = torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    matrix = torch.tensor(_RGB_TO_XYZ, dtype=image.dtype, device=image.device)
    matrix = matrix / matrix.sum(dim=1, keepdim=True)
    # Three multiply-adds per pixel; a matrix product could depend on the size of the batch.
    xyz = (matrix[:, :, None, None] * linear[:, None]).sum(dim=2)  # (B, 3, H, W)
    root = xyz.clamp_min(1e-6) ** (1 / 3)
    f = torch.where(xyz > 216 / 24389, root, (24389 / 27 * xyz + 16) / 116)
    x, y, z = f.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
