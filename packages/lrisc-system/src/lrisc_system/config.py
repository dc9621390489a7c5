"""The numbers of a model: one frozen dataclass, four presets."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from dataclasses import dataclass
from typing import Any, TypeVar

from cond_diffusion import DiffusionConfig, UNetConfig
from entropy_hyperprior import HyperpriorConfig, TransformConfig
from jscc_ratetoken import CodecConfig
from lrisc_system.storage.json_files import parse_json

Config = TypeVar("Config")

LARGEST = 65536  # of the numbers of a config that comes from a file
STRIDE = 16  # pixels of an image per latent position, each way: four halvings in g_a


@dataclass(frozen=True)
class LRISCConfig:
    """Everything that fixes the shape and the defaults of an LRISC model.

    Args:
        transform: widths of g_a and g_s.
        hyperprior: widths of h_a and h_s, Eq. (5).
        codec: the JSCC codec and its set of rates, Eqs. (6)-(7).
        diffusion: the conditional diffusion decoder, Eqs. (8)-(11).
        adapter_hidden: width inside the SNR adaptive modules.
        protected: leading latent channels that the ROI never scales, Eq. (4).
        alpha: weight of the background in Eq. (3), in [0, 1]; 1 switches the ROI off.
        eta: real numbers sent per bit of a token's information, Eq. (6).

    Raises:
        ValueError: if the parts disagree on the latent channels or a number is out of range.
    """

    transform: TransformConfig
    hyperprior: HyperpriorConfig
    codec: CodecConfig
    diffusion: DiffusionConfig
    adapter_hidden: int
    protected: int = 64
    alpha: float = 0.2
    eta: float = 0.2

    def __post_init__(self) -> None:
        widths = {
            "transform": self.transform.latent_channels,
            "hyperprior": self.hyperprior.latent_channels,
            "codec": self.codec.latent_channels,
            "diffusion": self.diffusion.unet.latent_channels,
        }
        if len(set(widths.values())) != 1:
            raise ValueError(f"expected one number of latent channels, got {widths}")
        if not 0 <= self.protected <= self.transform.latent_channels:
            raise ValueError(
                f"expected protected in [0, {self.transform.latent_channels}], got {self.protected}"
            )
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"expected alpha in [0, 1], got {self.alpha}")
        if not self.eta > 0:
            raise ValueError(f"expected eta > 0, got {self.eta}")
        if self.adapter_hidden < 1:
            raise ValueError(f"expected adapter_hidden >= 1, got {self.adapter_hidden}")

    def to_json(self) -> str:
        """Write the config as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> LRISCConfig:
        """Read what `to_json` wrote.

        Raises:
            ValueError: if the text is no JSON, or its keys are not those of this config.
        """
        return build_config(cls, parse_json(text))


def build_config(cls: type[Config], values: Any, *, path: str = "config") -> Config:
    """Build dataclass `cls`, and those inside it, from the plain JSON values of a file.

    Raises:
        ValueError: if a key is not one of the dataclass, a value is of another type, a number is
            not finite or above 65536, or the dataclass itself refuses.
    """
    hints = typing.get_type_hints(cls)
    if not isinstance(values, dict) or set(values) - set(hints):
        raise ValueError(f"{path}: expected the keys {sorted(hints)}, got {values!r:.200}")
    arguments = {
        name: _check_value(hints[name], value, path=f"{path}.{name}")
        for name, value in values.items()
    }
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ValueError(f"{path}: {error}") from error


def _check_value(hint: Any, value: Any, *, path: str) -> Any:
    """Check a JSON value against the type of its field, and give lists as tuples."""
    if dataclasses.is_dataclass(hint):
        return build_config(typing.cast(type, hint), value, path=path)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list) or len(value) > LARGEST:
            raise ValueError(f"{path}: expected a list, got {value!r:.50}")
        item = typing.get_args(hint)[0]
        return tuple(_check_value(item, one, path=path) for one in value)
    accepted = (int, float) if hint is float else (hint,)
    if type(value) not in accepted:
        raise ValueError(f"{path}: expected {hint.__name__}, got {value!r:.50}")
    if hint is not bool and not (abs(value) <= LARGEST and math.isfinite(value)):
        raise ValueError(f"{path}: expected a number up to {LARGEST}, got {value!r:.50}")
    return value


PAPER = LRISCConfig(
    transform=TransformConfig(latent_channels=256, widths=(128, 128, 192)),
    hyperprior=HyperpriorConfig(latent_channels=256, hyper_channels=192),
    codec=CodecConfig(
        latent_channels=256,
        depth=4,
        heads=8,
        mlp_ratio=4.0,
        window=8,
        levels=(0, *range(16, 257, 16)),
    ),
    diffusion=DiffusionConfig(unet=UNetConfig(latent_channels=256)),
    adapter_hidden=384,
)

BASE = LRISCConfig(
    transform=TransformConfig(latent_channels=256, widths=(48, 80, 96), residual_blocks=1),
    hyperprior=HyperpriorConfig(latent_channels=256, hyper_channels=56),
    codec=CodecConfig(
        latent_channels=256,
        depth=4,
        heads=8,
        mlp_ratio=1.0,
        window=8,
        levels=(0, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256),
    ),
    diffusion=DiffusionConfig(
        unet=UNetConfig.base(latent_channels=256), start_share=0.75, realism=True
    ),
    adapter_hidden=96,
    alpha=0.4,
)

SMALL = LRISCConfig(
    transform=TransformConfig(latent_channels=256, widths=(24, 48, 64)),
    hyperprior=HyperpriorConfig(latent_channels=256, hyper_channels=48),
    codec=CodecConfig(
        latent_channels=256,
        depth=2,
        heads=4,
        mlp_ratio=1.0,
        window=8,
        levels=(0, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256),
    ),
    diffusion=DiffusionConfig(
        unet=UNetConfig.small(latent_channels=256), start_share=0.75, realism=True
    ),
    adapter_hidden=96,
    alpha=0.4,
)

TINY = LRISCConfig(
    transform=TransformConfig(latent_channels=32, widths=(4, 8, 8)),
    hyperprior=HyperpriorConfig(latent_channels=32, hyper_channels=8),
    codec=CodecConfig(
        latent_channels=32, depth=2, heads=2, mlp_ratio=1.0, window=4, levels=(0, 4, 8, 16, 32)
    ),
    diffusion=DiffusionConfig(
        unet=UNetConfig.tiny(latent_channels=32),
        realism=True,
        tile_size=128,
        tile_overlap=32,
    ),
    adapter_hidden=8,
    protected=8,
)

PRESETS = {"paper": PAPER, "base": BASE, "small": SMALL, "tiny": TINY}


def preset(name: str) -> LRISCConfig:
    """Look a preset up by name.

    Raises:
        ValueError: if there is no such preset.
    """
    if name not in PRESETS:
        raise ValueError(f"expected a preset of {sorted(PRESETS)}, got {name!r}")
    return PRESETS[name]
