"""LPIPS without downloads, prints or surprises: the `lpips` package's network as a plain module."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import lpips
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import AlexNet_Weights, VGG16_Weights

WEIGHTS = Path(__file__).parents[1] / "weights"
MIN_SIDE = 32  # pixels; AlexNet's poolings leave nothing of less


@dataclass(frozen=True)
class Backbone:
    """Where the weights of an LPIPS backbone are: a shipped file, or torchvision's cache."""

    shipped: Path | None
    url: str


BACKBONES = {
    "alex": Backbone(
        WEIGHTS / "lpips-alex-backbone-fp16.safetensors", AlexNet_Weights.IMAGENET1K_V1.url
    ),
    "vgg": Backbone(None, VGG16_Weights.IMAGENET1K_V1.url),
}


class LPIPS(nn.Module):
    """Learned perceptual distance of two images, frozen and always in evaluation mode.

    Args:
        network: a network of the `lpips` package, its weights loaded.
    """

    def __init__(self, network: lpips.LPIPS) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "LPIPS":
        """Stay in evaluation mode, for the distance must not move when training starts."""
        return super().train(False)

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
    path = _find(net) if weights_path is None else Path(weights_path)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision in the old way
        network = lpips.LPIPS(net=net, pnet_rand=True, pretrained=False, verbose=False)
    linear = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    layers = torch.load(linear, map_location="cpu", weights_only=True)
    network.load_state_dict(layers, strict=False, assign=True)  # the backbone comes next
    network.net.load_state_dict(_backbone_state(path, network.net), assign=True)
    return LPIPS(network)


def _find(net: str) -> Path:
    """The shipped backbone, or the one in torchvision's cache."""
    backbone = BACKBONES[net]
    if backbone.shipped is not None:
        return backbone.shipped
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(backbone.url).name
    if not cached.is_file():
        raise ValueError(
            f"expected the backbone of LPIPS-{net} as a file: name one, or put {backbone.url} "
            f"into {cached.parent}"
        )
    return cached


def _backbone_state(path: Path, backbone: nn.Module) -> dict[str, Tensor]:
    """Rename torchvision's `features.3.weight` to lpips's `slice2.3.weight`, in float32."""
    if not path.is_file():
        raise ValueError(f"{path}: expected a file of backbone weights, there is none")
    try:
        stored = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # both loaders raise errors of any type
        raise ValueError(f"{path}: expected a file of weights, cannot read it") from error
    state = {}
    for name, parameter in backbone.state_dict().items():
        key = "features." + name.split(".", maxsplit=1)[1]
        if key not in stored or stored[key].shape != parameter.shape:
            got = tuple(stored[key].shape) if key in stored else "none"
            raise ValueError(f"{path}: expected {key} {tuple(parameter.shape)}, got {got}")
        if not stored[key].is_floating_point() or not stored[key].isfinite().all():
            raise ValueError(f"{path}: expected finite floats in {key}")
        state[name] = stored[key].float()
    return state
