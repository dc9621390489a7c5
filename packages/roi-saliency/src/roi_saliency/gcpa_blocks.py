"""The four modules of GCPANet, built from their description in the paper.

Source of this file: Chen et al., "Global Context-Aware Progressive Aggregation Network for Salient
Object Detection", AAAI 2020 (arXiv 2003.00651), reference [14] of LRISC; reconstructed.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_norm_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    """Build a 3 x 3 convolution with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def resize_like(features: Tensor, reference: Tensor) -> Tensor:
    """Resize feature maps to the height and width of ``reference``."""
    return F.interpolate(features, reference.shape[-2:], mode="bilinear")


class ChannelGate(nn.Module):
    """Compute a weight per channel from the mean of each channel: two layers and a sigmoid."""

    def __init__(self, in_channels: int, out_channels: int, *, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(out_channels // reduction, 1)
        self.layers = nn.Sequential(
            nn.Linear(in_channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, out_channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> weights (B, C', 1, 1) in [0, 1]."""
        mean = features.mean(dim=(-2, -1))  # (B, C, h, w) -> (B, C)
        return torch.sigmoid(self.layers(mean))[..., None, None]


class SelfRefinement(nn.Module):
    """Rescale features by a gain and a shift, predicted from the features at each position."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.squeeze = conv_norm_relu(in_channels, width)
        self.gain_shift = nn.Conv2d(width, 2 * width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, width, h, w)."""
        squeezed = self.squeeze(features)
        gain, shift = self.gain_shift(squeezed).chunk(2, dim=1)
        return F.relu(gain * squeezed + shift)


class HeadAttention(nn.Module):
    """Weigh the deepest features by position (self refinement) and by channel (a gate)."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.where = SelfRefinement(in_channels, width)
        self.what = ChannelGate(in_channels, width)

    def forward(self, top: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, width, h, w)."""
        return self.where(top) * self.what(top)


class GlobalContextFlow(nn.Module):
    """Pass the deepest features to one decoder stage, through that stage's own channel gate."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.squeeze = conv_norm_relu(in_channels, width)
        self.gate = ChannelGate(in_channels, width)

    def forward(self, top: Tensor) -> Tensor:
        """(B, C, h, w) -> context (B, width, h, w)."""
        return self.squeeze(top) * self.gate(top)


class FeatureInterweavedAggregation(nn.Module):
    """Multiply detail, decoded features and context by masks from one another, then merge them.

    Backbone features are multiplied by a mask from the decoded features, decoded features by a
    mask from the backbone features, and backbone features also by a mask from the context.
    """

    def __init__(self, low_channels: int, width: int) -> None:
        super().__init__()
        self.squeeze = conv_norm_relu(low_channels, width)
        self.mask_from_low = nn.Conv2d(width, width, 3, padding=1)
        self.mask_from_high = nn.Conv2d(width, width, 3, padding=1)
        self.mask_from_context = nn.Conv2d(width, width, 3, padding=1)
        self.merge = conv_norm_relu(3 * width, width)

    def forward(self, low: Tensor, high: Tensor, context: Tensor) -> Tensor:
        """Merge backbone features, decoded features and context at the size of the first.

        Args:
            low: Backbone features (B, C, h, w).
            high: Features decoded so far (B, width, h', w').
            context: Output of ``GlobalContextFlow`` (B, width, h'', w'').

        Returns:
            Merged features (B, width, h, w).
        """
        low = self.squeeze(low)
        low_by_high = F.relu(resize_like(self.mask_from_high(high), low) * low)
        high_by_low = F.relu(self.mask_from_low(low) * resize_like(high, low))
        low_by_context = F.relu(resize_like(self.mask_from_context(context), low) * low)
        return self.merge(torch.cat([low_by_high, high_by_low, low_by_context], dim=1))
