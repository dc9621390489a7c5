"""All metrics of one received image; equal inputs are measured once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from lrisc_system.evaluation.set_samples import SetSample
from lrisc_system.metrics.grid import PERIODS, residual_by_phase
from lrisc_system.metrics.lpips import LPIPS, lpips_network
from lrisc_system.metrics.quality import evaluate_pair, round_to_8_bits
from lrisc_system.metrics.remembering import RememberingBackbone
from lrisc_system.metrics.roi_consistency import roi_iou
from lrisc_system.metrics.vgg import VGGMetrics
from roi_saliency import BarrierDetector

# Whole, ROI and background of the source, each followed by what arrived.
ALEX_INPUTS, VGG_INPUTS = 6, 2


@dataclass(frozen=True)
class Measurement:
    """The figures of one received image.

    Those that are named as in `Metrics` are what it says, with LPIPS on both networks. Figures that
    VGG16 computes are NaN without it, and figures that came later are NaN in older rows.

    Attributes:
        dists: DISTS, 0 for equal images.
        roi_iou: intersection over union of the regions that the classical detector finds in the
            source and in the received image.
    """

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
    dists: float = math.nan
    roi_iou: float = math.nan


@dataclass(frozen=True)
class MetricNetworks:
    """The networks of the metrics.

    Args:
        alex: LPIPS on AlexNet.
        vgg: LPIPS on VGG16, if its weights are there.
        vgg_metrics: the other metrics on VGG16, if its weights are there.
    """

    alex: LPIPS
    vgg: LPIPS | None
    vgg_metrics: VGGMetrics | None = None

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
        vgg_metrics = VGGMetrics.load(vgg, device=device)
        if vgg_metrics is None:
            return cls(alex, None)
        second = _prepare(lpips_network("vgg", vgg), device)
        second.network.net = RememberingBackbone(second.network.net, kept=VGG_INPUTS)
        dists = vgg_metrics.dists
        dists.backbone = RememberingBackbone(dists.backbone, kept=VGG_INPUTS)
        return cls(alex, second, vgg_metrics)


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

    @torch.no_grad()
    def sample(self, received: Tensor) -> SetSample:
        """Measure what an image (1, 3, H, W) adds to the figures of its set."""
        received = round_to_8_bits(received)
        periods = [period for period in PERIODS if period <= min(received.shape[-2:])]
        patterns = {p: residual_by_phase(self.image, received, period=p) for p in periods}
        return SetSample(patterns, self._features(received))

    @torch.no_grad()
    def source_sample(self) -> SetSample:
        """Measure what the source adds to the figures of every set."""
        return SetSample({}, self._features(self.image))

    @cached_property
    def _region(self) -> Tensor:
        """The saliency map that the detector of `roi_iou` finds in the source."""
        return BarrierDetector()(self.image.cpu())

    def _features(self, image: Tensor) -> Tensor | None:
        metrics = self.networks.vgg_metrics
        return None if metrics is None else metrics.patches(image)

    def _measure(self, received: Tensor) -> Measurement:
        alex, vgg, other = self.networks.alex, self.networks.vgg, self.networks.vgg_metrics
        figures = evaluate_pair(self.image, received, mask=self.mask, perceptual=alex)
        return Measurement(
            psnr=figures.psnr,
            ms_ssim=figures.ms_ssim,
            lpips_alex=figures.lpips,
            lpips_vgg=math.nan if vgg is None else vgg(self.image, received).item(),
            roi_psnr=figures.roi_psnr,
            roi_ms_ssim=figures.roi_ms_ssim,
            roi_lpips_alex=figures.roi_lpips,
            background_psnr=figures.background_psnr,
            background_ms_ssim=figures.background_ms_ssim,
            background_lpips_alex=figures.background_lpips,
            dists=math.nan if other is None else other.dists(self.image, received).item(),
            roi_iou=roi_iou(self._region, BarrierDetector()(received.cpu())).item(),
        )
