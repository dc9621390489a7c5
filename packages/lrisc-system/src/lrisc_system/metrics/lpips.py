"""LPIPS without downloads, prints or surprises: the `lpips` package's network as a plain module."""

import os
import warnings
from pathlib import Path

import lpips
import torch
import torch.nn.functional as F
from torch import Tensor

from lrisc_system.metrics.backbones import BACKBONES, FrozenModule, find_weights, read_weights

MIN_SIDE = 32  # pixels; AlexNet's poolings leave nothing of less


class LPIPS(FrozenModule):
    """Learned perceptual distance of two images, frozen and always in evaluation mode.

    Args:
        network: a network of the `lpips` package, its weights loaded.
    """

    def __init__(self, network: lpips.LPIPS) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.eval()

    def forward(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """Compute the distance of each pair.

        Runs in float32 even under autocast. Images with a side below 32 are continued by
        repeating their last row and column to 32.

        Args:
            x: `(B, 3, H, W)` in `[0, 1]`.
            x_hat: as `x`.

        Returns:
            `(B,)`, 0 for equal images. Source: Zhang et al. 2018, Eq. (1), version 0.1 weights.
        """
        if x.shape != x_hat.shape or x.ndim != 4 or x.shape[1] != 3:
            raise ValueError(
                f"expected two images (B, 3, H, W), got {tuple(x.shape)} and {tuple(x_hat.shape)}"
            )
        height, width = x.shape[-2:]
        missing = (0, max(0, MIN_SIDE - width), 0, max(0, MIN_SIDE - height))
        with torch.autocast(device_type=x.device.type, enabled=False):
            x, x_hat = (F.pad(image.float(), missing, mode="replicate") for image in (x, x_hat))
            return self.network(x, x_hat, normalize=True).flatten()


def lpips_network(net: str = "alex", weights_path: str | os.PathLike[str] | None = None) -> LPIPS:
    """Build LPIPS on AlexNet (the reported one) or VGG16 (the cross-check).

    Nothing is downloaded or printed, and the global random state is left alone.

    Args:
        net: a name of `BACKBONES`.
        weights_path: file of the backbone, `.safetensors` or `.pth`, with torchvision's
            `features.*` keys. By default what ships with the package ("alex"), else what
            torchvision's cache holds.

    Raises:
        ValueError: an unknown network, or a file that is missing or holds something else.
    """
    if net not in BACKBONES:
        raise ValueError(f"expected an LPIPS network of {', '.join(BACKBONES)}, got {net!r}")
    path = find_weights(net) if weights_path is None else Path(weights_path)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision in the old way
        network = lpips.LPIPS(net=net, pnet_rand=True, pretrained=False, verbose=False)
    linear = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    layers = torch.load(linear, map_location="cpu", weights_only=True)
    network.load_state_dict(layers, strict=False, assign=True)  # the backbone comes next
    # torchvision's `features.3.weight` is `slice2.3.weight` in the package.
    state = network.net.state_dict()
    names = {name: "features." + name.split(".", maxsplit=1)[1] for name in state}
    shapes = {names[name]: tensor.shape for name, tensor in state.items()}
    stored = read_weights(path, shapes)
    network.net.load_state_dict({n: stored[key] for n, key in names.items()}, assign=True)
    return LPIPS(network)
