"""The closed-form start of DeepJSCC: a Karhunen-Loeve transform, octave by octave.

Each strided convolution starts as the principal components of 2 x 2 blocks of what comes before,
the last one as those of a whole token, sent with amplitude variance^(1/4); the other side as the
transpose. A quarter of the channels inside starts at random; what reads them starts at zero. So
the untrained link is linear, and close to the best linear one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrisc_system.baselines.deepjscc.model import KERNEL, DeepJSCC
from lrisc_system.baselines.linear.analog import PATCH
from lrisc_system.data.photos import Source

MIN_VARIANCE = 1e-8  # far below the variance of rounding to 8 bits, 1.3e-6
LINEAR_SHARE = 0.75  # of the channels inside


@torch.no_grad()
def start_deepjscc(model: DeepJSCC, photos: Source, *, tokens: int = 72_000, seed: int = 0) -> None:
    """Set the weights of both sides from photos.

    Args:
        model: just built.
        photos: to take one crop each from.
        tokens: patches of 16 x 16 pixels to take, at most.
        seed: of the crops.
    """
    side = 8  # tokens of a crop along each side
    crops = photos.crops(size=side * PATCH, count=tokens // side**2, seed=seed)
    features = torch.stack(list(crops))  # (n, 3, 128, 128)
    mean = features.mean(dim=(0, 2, 3), keepdim=True)  # (1, 3, 1, 1)
    features = features - mean

    encoders = [layer for layer in model.encoder if isinstance(layer, nn.Conv2d)]
    decoders = [layer for layer in model.decoder if isinstance(layer, nn.ConvTranspose2d)][::-1]
    slopes = [layer for layer in model.encoder if isinstance(layer, nn.PReLU)]
    slopes_back = [layer for layer in model.decoder if isinstance(layer, nn.PReLU)][::-1]
    pairs = zip(encoders[:-1], decoders[:-1], slopes, slopes_back, strict=True)
    for encoder, decoder, slope, slope_back in pairs:
        linear = int(LINEAR_SHARE * encoder.out_channels)
        kernels, _ = block_components(features, side=2, count=linear)
        set_linear(encoder, decoder, kernels, kernels)
        for activation in (slope, slope_back):
            activation.weight[: len(kernels)] = 1.0  # no activation at all
        features = F.conv2d(features, kernels, stride=2)
    kernels, variance = block_components(features, side=1, count=model.config.reals_per_token)
    root = variance.clamp(min=MIN_VARIANCE) ** 0.25  # of each component's deviation
    scale = root.view(-1, 1, 1, 1)
    set_linear(encoders[-1], decoders[-1], kernels / scale, kernels * scale)
    model.log_deviation[: len(root)] = root.log()
    first = encoders[0].weight.sum(dim=(2, 3))  # (w, 3): what a flat colour gives
    shift = first @ mean.flatten()  # (w,)
    bias_of(encoders[0]).sub_(shift)
    bias_of(decoders[0]).copy_(mean.flatten())


def block_components(features: Tensor, *, side: int, count: int) -> tuple[Tensor, Tensor]:
    """Find the leading principal components of square blocks, whose mean is zero.

    Args:
        features: (n, c, H, W).
        side: of the blocks.
        count: components wanted; at most c * side^2 are there.

    Returns:
        Orthonormal kernels (count, c, side, side) and their variances (count,), falling.
    """
    channels = features.shape[1]
    blocks = F.unfold(features, side, stride=side).transpose(1, 2).flatten(0, 1)  # (m, c side^2)
    covariance = (blocks.T @ blocks).double() / len(blocks)
    variance, basis = torch.linalg.eigh(covariance)  # rising
    kernels = basis.flip(1)[:, :count].T.reshape(-1, channels, side, side)
    return kernels.float(), variance.flip(0)[:count].float()


def set_linear(
    encoder: nn.Conv2d, decoder: nn.ConvTranspose2d, there: Tensor, back: Tensor
) -> None:
    """Put kernels (r, c, side, side) into a pair of layers, and let nothing else reach them."""
    count, channels, side, _ = there.shape
    window = slice(KERNEL // 2, KERNEL // 2 + side)
    encoder.weight[:count] = 0.0
    encoder.weight[:count, :channels, window, window] = there
    bias_of(encoder)[:count] = 0.0
    decoder.weight[:, :channels] = 0.0
    decoder.weight[:count, :channels, window, window] = back
    bias_of(decoder)[:channels] = 0.0


def bias_of(layer: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    """Take the bias of a layer that DeepJSCC built with one."""
    assert layer.bias is not None
    return layer.bias
