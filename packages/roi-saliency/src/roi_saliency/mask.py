"""From a saliency map to the region-of-interest mask, Eqs. (1)-(2)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SmoothMask(nn.Module):
    """Turn a saliency map into a smooth mask, Eq. (1): M = sigmoid(Conv(S)).

    Source: LRISC Eq. (1); the convolution is reconstructed. Its kernel is ``gain`` times a learned
    blur, positive and of sum 1, that starts as a Gaussian. A wide area of S = 1 therefore always
    gives sigmoid(gain + bias), and a wide area of S = 0 gives sigmoid(bias): 0.982 and 0.018 by
    default. With a learned gain the mask would fade, because Eqs. (12)-(13) weigh errors least
    where M is a half. Edges are replicated, so both values hold at the border of the image too.

    Args:
        kernel_size: Side of the square kernel in pixels, odd.
        sigma: Standard deviation of the starting blur in pixels.
        gain: Sum of the kernel.
        bias: Bias of the convolution.

    Raises:
        ValueError: ``kernel_size`` is even or not positive, or ``sigma`` is not positive.
    """

    def __init__(
        self,
        *,
        kernel_size: int = 15,
        sigma: float = 3.0,
        gain: float = 8.0,
        bias: float = -4.0,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"expected an odd kernel_size >= 1, got {kernel_size}")
        if not sigma > 0:
            raise ValueError(f"expected sigma > 0, got {sigma}")
        self.gain, self.bias = gain, bias
        self.log_blur = nn.Parameter(gaussian_kernel(kernel_size, sigma=sigma).log())

    def blur(self) -> Tensor:
        """Return the learned blur: (kernel_size, kernel_size), positive, of sum 1."""
        return self.log_blur.flatten().softmax(dim=0).view_as(self.log_blur)

    def forward(self, saliency: Tensor) -> Tensor:
        """Smooth a saliency map (B, 1, H, W) in [0, 1] to a mask of the same shape and range."""
        _check_one_channel("saliency", saliency)
        kernel = self.gain * self.blur()
        margin = len(kernel) // 2
        padded = F.pad(saliency, (margin,) * 4, mode="replicate")
        return torch.sigmoid(F.conv2d(padded, kernel[None, None]) + self.bias)


def gaussian_kernel(size: int, *, sigma: float) -> Tensor:
    """Sample a Gaussian of ``sigma`` pixels on a (size, size) grid; the samples sum to 1."""
    offset = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    profile = torch.exp(-0.5 * (offset / sigma) ** 2)
    kernel = torch.outer(profile, profile)
    return (kernel / kernel.sum()).float()


def pool_mask(mask: Tensor, *, stride: int = 16) -> Tensor:
    """Pool the ROI mask to the latent grid, Eq. (2): M_y = AvgPool(M).

    Source: LRISC Eq. (2).

    Args:
        mask: ROI mask (B, 1, H, W), H and W multiples of ``stride``.
        stride: Pixels per latent position along each side.

    Returns:
        Latent mask (B, 1, H / stride, W / stride).

    Raises:
        ValueError: The mask has another shape or a side that ``stride`` does not divide.
    """
    _check_one_channel("mask", mask)
    height, width = mask.shape[-2:]
    if height % stride or width % stride:
        raise ValueError(f"expected sides that are multiples of {stride}, got {height} x {width}")
    return F.avg_pool2d(mask, stride)  # (B, 1, H, W) -> (B, 1, h, w)


def _check_one_channel(name: str, value: Tensor) -> None:
    if value.ndim != 4 or value.shape[1] != 1:
        raise ValueError(f"expected {name} of shape (B, 1, H, W), got {tuple(value.shape)}")
