"""The SNR adapter: eight fully connected layers, seven SM modules, one gate, Sec. III-A.3."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from snr_modulation.hub import load, save
from snr_modulation.modulation import SNRModulation, spread_snr

LAYER_COUNT = 8


class SNRAdapter(nn.Module):
    """Multiply features by gates that depend on the SNR of the channel, Sec. III-A.3.

    Source: LRISC Sec. III-A.3 and SwinJSCC. Signal flow for one token:

        x -+-> fc_0 -> * -> fc_1 -> * -> ... -> fc_6 -> * -> fc_7 -> sigmoid -> * -> out
           |           ^            ^                   ^                       ^
           |         sm_0(snr)    sm_1(snr)           sm_6(snr)                 |
           +--------------------------------------------------------------------+

    Args:
        width: C, the number of channels of the features.
        hidden: H, the width between the layers; ``int(1.5 * width)`` by default.
        identity: start as the exact identity: the last layer is zero and the gate is
            doubled, ``2 * sigmoid(0) = 1``. The gate then spans (0, 2). Such an adapter can be
            added to a trained model without changing its output.
        detach_input: stop the gradient from the gate to the features (as SwinJSCC does); the
            product ``x * gate`` always has a gradient.
    """

    def __init__(
        self,
        width: int,
        *,
        hidden: int | None = None,
        identity: bool = False,
        detach_input: bool = True,
    ) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"expected width of at least 1, got {width}")
        hidden = int(1.5 * width) if hidden is None else hidden
        if hidden < 1:
            raise ValueError(f"expected hidden of at least 1, got {hidden}")
        self.width = width
        self.hidden = hidden
        self.gate_gain = 2.0 if identity else 1.0
        self.detach_input = detach_input
        widths = [width, *[hidden] * (LAYER_COUNT - 1), width]
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
        for layer in layers[:-1]:
            # The factors start near 1/2, so weights of twice the usual size keep the variance.
            nn.init.normal_(layer.weight, std=2.0 / layer.in_features**0.5)
            nn.init.zeros_(layer.bias)
        if identity:
            nn.init.zeros_(layers[-1].weight)
            nn.init.zeros_(layers[-1].bias)
        self.layers = nn.ModuleList(layers)
        self.modulations = nn.ModuleList(SNRModulation(hidden) for _ in range(LAYER_COUNT - 1))

    def gate(self, tokens: Tensor, snr_db: Tensor) -> Tensor:
        """Compute the gate of each token from its features and the SNR, Sec. III-A.3.

        Args:
            tokens: (B, N, C).
            snr_db: (B,), dB.

        Returns:
            (B, N, C), in (0, 1), or in (0, 2) for an adapter made with ``identity=True``.
        """
        hidden = tokens.detach() if self.detach_input else tokens
        for layer, modulation in zip(self.layers[:-1], self.modulations, strict=True):
            factors = modulation(snr_db)  # (B,) -> (B, H)
            hidden = layer(hidden) * factors.unsqueeze(1)  # (B, N, H)
        return self.gate_gain * torch.sigmoid(self.layers[-1](hidden))  # (B, N, H) -> (B, N, C)

    def forward(self, features: Tensor, snr_db: Tensor | float) -> Tensor:
        """Multiply features by their gate, Sec. III-A.3.

        Args:
            features: tokens (B, N, C) or a map (B, C, H, W).
            snr_db: a number or a tensor of shape () or (B,), dB.

        Returns:
            The gated features, of the same shape.

        Raises:
            ValueError: if the features are not C wide, or ``snr_db`` is neither a scalar nor
                one number per sample.
        """
        if features.ndim == 3 and features.shape[2] == self.width:
            return features * self.gate(features, spread_snr(snr_db, features=features))
        if features.ndim == 4 and features.shape[1] == self.width:
            tokens = rearrange(features, "b c h w -> b (h w) c")
            gate = self.gate(tokens, spread_snr(snr_db, features=features))
            return features * rearrange(gate, "b (h w) c -> b c h w", h=features.shape[2])
        raise ValueError(
            f"expected features (B, N, {self.width}) or (B, {self.width}, H, W), "
            f"got {tuple(features.shape)}"
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the adapter's weights (safetensors) and sizes (JSON) into a folder.

        Raises:
            ImportError: if the extra [hub] is not installed.
        """
        config = {
            "width": self.width,
            "hidden": self.hidden,
            "identity": self.gate_gain == 2.0,
            "detach_input": self.detach_input,
        }
        save(self, config, folder)

    @classmethod
    def from_pretrained(
        cls, folder_or_id: str | Path, *, revision: str | None = None
    ) -> "SNRAdapter":
        """Load what `save_pretrained` wrote, from a folder or from the Hugging Face Hub.

        Args:
            folder_or_id: a folder, or `owner/name` on the Hub.
            revision: branch, tag or commit on the Hub.

        Raises:
            ImportError: if the extra [hub] is not installed.
            ValueError: if files are missing, damaged, or of another module.
        """

        def build(config: dict[str, Any]) -> SNRAdapter:
            switches = [config.get("identity", False), config.get("detach_input", True)]
            if not all(isinstance(switch, bool) for switch in switches):
                raise ValueError(f"expected true or false as switches, got {switches}")
            return cls(**config)

        return load(build, folder_or_id, revision=revision)
