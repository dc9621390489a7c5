"""The protocol of saliency detectors, and two detectors that need no weights."""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from roi_saliency.border import barrier_distance, border_contrast
from roi_saliency.colour import rgb_to_lab
from roi_saliency.mask import gaussian_kernel


class SaliencyDetector(Protocol):
    """Any callable from images (B, 3, H, W) to saliency maps (B, 1, H, W), both in [0, 1]."""

    def __call__(self, image: Tensor) -> Tensor:
        """Return the saliency of each pixel of each image."""
        ...


@dataclass(frozen=True)
class BarrierDetector:
    """The default detector: finds regions that differ from the border of the image.

    It computes a minimum barrier distance and a contrast to the colours of the border, both in
    CIE Lab on a small square grid. It adds the two, multiplies the sum by a mild preference for the
    centre, and applies a logistic curve. The result of an image depends on that image alone.

    Source: after Zhang et al., "Minimum Barrier Salient Object Detection at 80 FPS", ICCV 2015.
    Slope and midpoint were fitted on photos, see the README.

    Attributes:
        grid: Side of the working grid in pixels, at least 8.
        strip: Width of the border strips on the grid in pixels, in [1, grid / 2].
        centre_sigma: Deviation of the centre preference, as a fraction of the side; a large value
            switches the preference off.
        slope: Steepness of the logistic curve.
        midpoint: Score in (0, 1) that the curve maps to a saliency of 0.5.
    """

    grid: int = 48
    strip: int = 4
    centre_sigma: float = 0.35
    slope: float = 14.0
    midpoint: float = 0.37

    def __post_init__(self) -> None:
        if self.grid < 8:
            raise ValueError(f"expected grid >= 8, got {self.grid}")
        if not 1 <= self.strip <= self.grid // 2:
            raise ValueError(f"expected strip in [1, {self.grid // 2}], got {self.strip}")
        if not self.centre_sigma > 0:
            raise ValueError(f"expected centre_sigma > 0, got {self.centre_sigma}")
        if not self.slope > 0:
            raise ValueError(f"expected slope > 0, got {self.slope}")
        if not 0 < self.midpoint < 1:
            raise ValueError(f"expected midpoint in (0, 1), got {self.midpoint}")

    def __call__(self, image: Tensor) -> Tensor:
        """Return saliency (B, 1, H, W) in [0, 1] of images (B, 3, H, W) in [0, 1]."""
        check_image(image)
        lab = rgb_to_lab(_resize(image.float(), (self.grid, self.grid)))
        # With the floors, faint noise is not stretched to an object.
        barrier = _stretch(barrier_distance(lab), floor=20.0)
        contrast = border_contrast(lab, width=self.strip, variance_floor=10.0) / 3
        centre = gaussian_kernel(self.grid, sigma=self.centre_sigma * self.grid).to(lab)
        score = (barrier + contrast) * centre / centre.max()
        score = _stretch(score, floor=1.0)
        saliency = torch.sigmoid(self.slope * (score - self.midpoint))
        return _resize(saliency, image.shape[-2:]).clamp(0, 1)


@dataclass(frozen=True)
class SpectralResidualDetector:
    """A classical baseline: the residual of the log spectrum after smoothing.

    Source: Hou and Zhang, "Saliency Detection: A Spectral Residual Approach", CVPR 2007. It finds
    points of fixation rather than objects. On photos its masks are much worse than those of the
    default detector, see the README.

    Attributes:
        grid: Side of the working grid in pixels, at least 8.
        sigma: Deviation of the final blur on the grid in pixels.
    """

    grid: int = 64
    sigma: float = 3.0

    def __post_init__(self) -> None:
        if self.grid < 8:
            raise ValueError(f"expected grid >= 8, got {self.grid}")
        if not self.sigma > 0:
            raise ValueError(f"expected sigma > 0, got {self.sigma}")

    def __call__(self, image: Tensor) -> Tensor:
        """Return saliency (B, 1, H, W) in [0, 1] of images (B, 3, H, W) in [0, 1]."""
        check_image(image)
        grey = _resize(image.float(), (self.grid, self.grid)).mean(dim=1, keepdim=True)
        spectrum = torch.fft.fft2(grey)
        amplitude = spectrum.abs()
        log_amplitude = amplitude.clamp_min(1e-3).log()
        smooth = F.avg_pool2d(F.pad(log_amplitude, (1, 1, 1, 1), mode="circular"), 3, stride=1)
        known = amplitude > 1e-3  # below this value the phase is rounding error
        residual = torch.polar(torch.exp(log_amplitude - smooth) * known, spectrum.angle())
        energy = torch.fft.ifft2(residual).abs().square()
        size = 2 * int(3 * self.sigma) + 1
        kernel = gaussian_kernel(size, sigma=self.sigma).to(energy)[None, None]
        padded = F.pad(energy, (size // 2,) * 4, mode="replicate")
        saliency = _stretch(F.conv2d(padded, kernel), floor=1e-8)
        return _resize(saliency, image.shape[-2:]).clamp(0, 1)


def check_image(image: Tensor) -> None:
    """Raise ValueError unless ``image`` is a batch of colour images (B, 3, H, W)."""
    if image.ndim != 4 or image.shape[1] != 3 or 0 in image.shape:
        raise ValueError(f"expected images of shape (B, 3, H, W), got {tuple(image.shape)}")


def _resize(image: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    return F.interpolate(image, tuple(size), mode="bilinear", antialias=True)


def _stretch(value: Tensor, *, floor: float) -> Tensor:
    """Subtract the minimum of each map and divide by its range, or by ``floor`` if larger."""
    low = value.amin(dim=(-2, -1), keepdim=True)
    high = value.amax(dim=(-2, -1), keepdim=True)
    return (value - low) / (high - low).clamp_min(floor)
