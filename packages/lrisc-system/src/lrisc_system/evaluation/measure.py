"""All metrics of one received image; equal inputs are measured once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lrisc_system.metrics.lpips import LPIPS, lpips_network
from lrisc_system.metrics.quality import evaluate_pair, round_to_8_bits

# Whole, ROI and background of the source, each followed by what arrived.
ALEX_INPUTS, VGG_INPUTS = 6, 2


@dataclass(frozen=True)
class Measurement:
    """The figures of one received image, as in `Metrics`, with LPIPS on both networks."""

    psnr: float
    ms_ssim: float
    lpips_alex: float
    lpips_vgg: float
    roi_psnr: float
    roi_ms_ssim: float
    roi_lpips_alex: float
    background_psnr: float
    background_ms_ssim: float
    background_lpips_alex: float


class RememberingBackbone(nn.Module):
    """A network that stores the features of its last inputs, so that a source passes once.

    Args:
        network: images (B, 3, H, W) -> features.
        kept: number of inputs.
    """

    def __init__(self, network: nn.Module, *, kept: int) -> None:
        super().__init__()
        self.network = network
        self.memory: deque[tuple[Tensor, object]] = deque(maxlen=kept)

    def forward(self, image: Tensor) -> object:
        """Look the features up or compute them, and put them last in the queue."""
        positions = [i for i, (known, _) in enumerate(self.memory) if torch.equal(known, image)]
        features = self.memory[positions[0]][1] if positions else self.network(image)
        for position in positions:
            del self.memory[position]
        self.memory.append((image, features))
        return features


@dataclass(frozen=True)
class MetricNetworks:
    """The networks of LPIPS.

    Args:
        alex: LPIPS on AlexNet.
        vgg: LPIPS on VGG16, if its weights are there.
    """

    alex: LPIPS
    vgg: LPIPS | None

    @classmethod
    def load(cls, vgg: Path | None, *, device: torch.device) -> MetricNetworks:
        """Load the networks.

        Args:
            vgg: file of VGG16's weights; torchvision's cache by default, or else without.
            device: to measure on.

        Raises:
            ValueError: the file is missing or holds something else.
        """
        alex = _prepare(lpips_network("alex"), device)
        alex.network.net = RememberingBackbone(alex.network.net, kept=ALEX_INPUTS)
        try:
            second = _prepare(lpips_network("vgg", vgg), device)
        except ValueError:
            if vgg is not None:
                raise
            return cls(alex, None)
        second.network.net = RememberingBackbone(second.network.net, kept=VGG_INPUTS)
        return cls(alex, second)


def _prepare(network: LPIPS, device: torch.device) -> LPIPS:
    """Move a network to a device in channels-last format, which takes a seventh less time."""
    return network.to(device).to(memory_format=torch.channels_last)


class EvaluationImage:
    """One source image, with the measurements of what was received of it so far.

    Args:
        name: of the image.
        image: (1, 3, H, W) in [0, 1].
        saliency: saliency map for the links, (1, 1, H, W) in [0, 1].
        mask: weight of the region of interest, (1, 1, H, W) in [0, 1].
        networks: of the metrics, on the device of the image.
    """

    def __init__(
        self, name: str, image: Tensor, saliency: Tensor, mask: Tensor, *, networks: MetricNetworks
    ) -> None:
        self.name = name
        self.image, self.saliency, self.mask = image, saliency, mask
        self.networks = networks
        self._known: dict[bytes, Measurement] = {}

    @torch.no_grad()
    def measure(self, received: Tensor) -> Measurement:
        """Measure an image (1, 3, H, W), once for all that are equal in 8 bits.

        Where a digital link delivers, every seed gives the same image.
        """
        received = round_to_8_bits(received)
        key = (received * 255).round().byte().cpu().numpy().tobytes()
        if key not in self._known:
            self._known[key] = self._measure(received)
        return self._known[key]

    def _measure(self, received: Tensor) -> Measurement:
        alex, vgg = self.networks.alex, self.networks.vgg
        figures = evaluate_pair(self.image, received, mask=self.mask, perceptual=alex)
        return Measurement(
            psnr=figures.psnr,
            ms_ssim=figures.ms_ssim,
            lpips_alex=figures.lpips,
            lpips_vgg=float("nan") if vgg is None else vgg(self.image, received).item(),
            roi_psnr=figures.roi_psnr,
            roi_ms_ssim=figures.roi_ms_ssim,
            roi_lpips_alex=figures.roi_lpips,
            background_psnr=figures.background_psnr,
            background_ms_ssim=figures.background_ms_ssim,
            background_lpips_alex=figures.background_lpips,
        )
