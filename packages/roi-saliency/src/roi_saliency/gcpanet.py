"""A GCPANet-style saliency network on a timm backbone."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from roi_saliency.detectors import check_image
from roi_saliency.gcpa_blocks import (
    FeatureInterweavedAggregation,
    GlobalContextFlow,
    HeadAttention,
    SelfRefinement,
)

_STAGES = 4
MAX_INPUT_SIZE = 4096


@dataclass(frozen=True)
class GCPANetConfig:
    """Sizes of a ``GCPANet``; the defaults are the published network's.

    Attributes:
        backbone: Name of a convolutional timm model with feature maps of four strides or more.
        width: Channels of every decoder stage.
        input_size: Side in pixels of the square that images are resized to, at least 32.
    """

    backbone: str = "resnet50"
    width: int = 256
    input_size: int = 288

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"expected width >= 1, got {self.width}")
        if not 32 <= self.input_size <= MAX_INPUT_SIZE:
            raise ValueError(
                f"expected input_size in [32, {MAX_INPUT_SIZE}], got {self.input_size}"
            )


@dataclass(frozen=True)
class SaliencyLogits:
    """Saliency before the sigmoid, all (B, 1, H, W).

    Attributes:
        final: Of the last decoder stage: the prediction.
        auxiliary: Of the stages before it, coarse to fine; only the training loss uses them.
    """

    final: Tensor
    auxiliary: tuple[Tensor, ...]


class GCPANet(nn.Module):
    """Find salient objects by progressive aggregation of features and global context.

    Signal flow, f1..f4 the backbone's last four feature maps, fine to coarse::

        f4 -> HeadAttention -> SelfRefinement -> d4
        f4 -> GlobalContextFlow_j -> c_j                               j = 3, 2, 1
        FeatureInterweavedAggregation(f_j, d_{j+1}, c_j) -> SelfRefinement -> d_j
        d4, d3, d2, d1 -> one map each; d1's is the prediction

    Source: Chen et al., AAAI 2020 (arXiv 2003.00651), reconstructed; the paper's backbone is
    ResNet-50. The weights are random unless ``pretrained`` or ``load`` gives others. In evaluation
    mode the network is a ``SaliencyDetector``.

    Args:
        config: Sizes.
        pretrained: Download the backbone's ImageNet weights through timm.

    Raises:
        ValueError: timm has no such backbone or it gives fewer than four feature maps.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: GCPANetConfig, *, pretrained: bool = False) -> None:
        super().__init__()
        import timm  # takes seconds; the other detectors do without it

        if not timm.is_model(config.backbone.split(".")[0]):
            raise ValueError(f"expected the name of a timm model, got {config.backbone!r}")
        self.config = config
        # timm's feature wrappers share no type that has feature_info.
        backbone: Any = timm.create_model(
            config.backbone, pretrained=pretrained, features_only=True
        )
        channels = backbone.feature_info.channels()[-_STAGES:]
        if len(channels) < _STAGES:
            raise ValueError(
                f"expected a backbone with {_STAGES} feature maps or more, "
                f"{config.backbone!r} has {len(channels)}"
            )
        self.backbone = backbone
        width, top = config.width, channels[-1]
        lower = channels[-2::-1]  # of f3, f2, f1
        self.head = nn.Sequential(HeadAttention(top, width), SelfRefinement(width, width))
        self.contexts = nn.ModuleList(GlobalContextFlow(top, width) for _ in lower)
        self.aggregations = nn.ModuleList(FeatureInterweavedAggregation(c, width) for c in lower)
        self.refinements = nn.ModuleList(SelfRefinement(width, width) for _ in lower)
        self.predictors = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for _ in channels)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        """Return saliency (B, 1, H, W) in [0, 1] of images (B, 3, H, W) in [0, 1]."""
        return torch.sigmoid(self.logits(image).final)

    def logits(self, image: Tensor) -> SaliencyLogits:
        """Return the maps that ``saliency_loss`` takes, of images (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: The images have another shape.
        """
        check_image(image)
        side = self.config.input_size
        square = F.interpolate(image, (side, side), mode="bilinear", antialias=True)
        features = self.backbone((square - self.mean) / self.deviation)[-_STAGES:]
        *fine, top = features
        decoded = self.head(top)
        stages = [decoded]
        for low, context, aggregate, refine in zip(
            reversed(fine), self.contexts, self.aggregations, self.refinements, strict=True
        ):
            decoded = refine(aggregate(low, decoded, context(top)))
            stages.append(decoded)
        maps = [
            F.interpolate(predict(stage), image.shape[-2:], mode="bilinear", antialias=True)
            for predict, stage in zip(self.predictors, stages, strict=True)
        ]
        return SaliencyLogits(final=maps[-1], auxiliary=tuple(maps[:-1]))

    def save(self, path: str | Path) -> None:
        """Write weights and config to one safetensors file."""
        weights = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(weights, str(path), metadata={"config": json.dumps(asdict(self.config))})

    @classmethod
    def load(cls, path: str | Path) -> "GCPANet":
        """Read a file that ``save`` wrote; the network is in evaluation mode.

        Raises:
            ValueError: The file is missing, damaged, or not of a ``GCPANet``.
        """
        if not Path(path).is_file():
            raise ValueError(f"expected a GCPANet file, got none at {path}")
        try:
            with safe_open(str(path), framework="pt") as file:
                stored = json.loads((file.metadata() or {})["config"])
                config = GCPANetConfig(
                    backbone=stored["backbone"],
                    width=stored["width"],
                    input_size=stored["input_size"],
                )
                # Without memory first: a file must not ask for a network larger than itself.
                with torch.device("meta"):
                    own = cls(config).state_dict()
                shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
                if shapes != {name: list(tensor.shape) for name, tensor in own.items()}:
                    raise ValueError(f"expected a GCPANet file, got other tensors in {path}")
            weights = load_file(str(path))
            if not all(tensor.isfinite().all() for tensor in weights.values()):
                raise ValueError(f"expected finite weights, got inf or nan in {path}")
            network = cls(config)
            network.load_state_dict(weights)
        # timm raises what it trips over, for a backbone of another kind.
        except (ValueError, OSError, SafetensorError, LookupError, TypeError) as error:
            raise _refusal(path, error) from error
        except (RuntimeError, ArithmeticError, AttributeError, AssertionError) as error:
            raise _refusal(path, error) from error
        return network.eval()


def _refusal(path: str | Path, error: Exception) -> ValueError:
    """Say in one line why a file is not one of a network."""
    if isinstance(error, ValueError) and str(error).startswith("expected"):
        return error
    return ValueError(f"expected a GCPANet file, got {path}: {type(error).__name__}")
