"""The frozen networks that metrics look through: where their weights are, and how they are read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import AlexNet_Weights, VGG16_Weights, vgg16

if TYPE_CHECKING:
    from typing_extensions import Self

WEIGHTS = Path(__file__).parents[1] / "weights"
RELU5_3 = 29  # index of the last layer that any metric uses, in torchvision's VGG16


@dataclass(frozen=True)
class Backbone:
    """Where the weights of a network are: a shipped file, or torchvision's cache."""

    shipped: Path | None
    url: str


BACKBONES = {
    "alex": Backbone(
        WEIGHTS / "lpips-alex-backbone-fp16.safetensors", AlexNet_Weights.IMAGENET1K_V1.url
    ),
    "vgg": Backbone(None, VGG16_Weights.IMAGENET1K_V1.url),
}


class FrozenModule(nn.Module):
    """A network that stays in evaluation mode, for a metric must not move when training starts."""

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return super().train(False)


def vgg16_layers(weights_path: str | os.PathLike[str] | None = None) -> nn.Sequential:
    """Build the convolutions of VGG16 up to relu5_3, frozen, in evaluation mode.

    Nothing is downloaded, and the global random state is left alone.

    Args:
        weights_path: as for `lpips_network`; by default what torchvision's cache holds.

    Returns:
        Layers 0 to 29 of torchvision's `vgg16().features`: normalised images (B, 3, H, W) ->
        (B, 512, H/16, W/16).

    Raises:
        ValueError: a file that is missing or holds something else.
    """
    path = find_weights("vgg") if weights_path is None else Path(weights_path)
    with torch.device("meta"):
        layers = vgg16(weights=None, init_weights=False).features[: RELU5_3 + 1]
    shapes = {f"features.{name}": p.shape for name, p in layers.state_dict().items()}
    stored = read_weights(path, shapes)
    layers.load_state_dict({k.removeprefix("features."): v for k, v in stored.items()}, assign=True)
    return cast(nn.Sequential, layers.requires_grad_(False).eval())


def imagenet_normalize(image: Tensor) -> Tensor:
    """Subtract the mean and divide by the deviation of ImageNet's colours: [0, 1] -> VGG's input.

    Args:
        image: (B, 3, H, W).
    """
    mean = image.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = image.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return (image - mean) / deviation


def find_weights(net: str) -> Path:
    """Find the shipped file of a backbone, or the one in torchvision's cache.

    Args:
        net: a name of `BACKBONES`.

    Raises:
        ValueError: the cache has no such file.
    """
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


def read_weights(path: Path, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Read tensors from a `.safetensors` or `.pth` file, in float32.

    Args:
        path: of the file.
        shapes: of the tensors that are wanted, by their names in the file.

    Raises:
        ValueError: the file is missing, or lacks finite floats of that name and shape.
    """
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
    for name, shape in shapes.items():
        if name not in stored or stored[name].shape != shape:
            got = tuple(stored[name].shape) if name in stored else "none"
            raise ValueError(f"{path}: expected {name} {tuple(shape)}, got {got}")
        if not stored[name].is_floating_point() or not stored[name].isfinite().all():
            raise ValueError(f"{path}: expected finite floats in {name}")
    return {name: stored[name].float() for name in shapes}
