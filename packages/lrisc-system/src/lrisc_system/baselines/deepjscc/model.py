"""DeepJSCC: one convolutional autoencoder around the channel, trained by the squared error.

image -> five convolutions with PReLU -> power -> channel -> LMMSE -> five transposed convolutions

Source: Bourtsoulatze, Kurka and Gunduz, "Deep Joint Source-Channel Coding for Wireless Image
Transmission", 2019. Wider than theirs and down to 1/16 of the image, as its successors are; and the
receiver knows the SNR and, for one byte, the gain of the image, which theirs does not. Both make it
stronger, so that it starts as the linear link and can only get better.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
from einops import rearrange
from torch import Generator, Tensor, nn

from jscc_ratetoken import (
    Channel,
    dequantize_gain,
    lmmse_weight,
    normalize_power,
    quantize_gain,
    to_complex,
    to_real,
)
from lrisc_system.baselines.linear.analog import PATCH, AnalogModel, AnalogSignal, analog_cbr
from lrisc_system.config import build_config
from lrisc_system.data.padding import crop_to_size, pad_to_stride
from lrisc_system.storage.json_files import parse_json
from lrisc_system.storage.pretrained import read_model, write_model

KERNEL = 5


@dataclass(frozen=True)
class DeepJSCCConfig:
    """Sizes of a DeepJSCC.

    Args:
        reals_per_token: real numbers sent for 16 x 16 pixels, even; two make a complex symbol, so
            that CBR is this number over 1536.
        widths: channels after each of the first four convolutions.

    Raises:
        ValueError: if a number is out of range.
    """

    reals_per_token: int = 32
    widths: tuple[int, int, int, int] = (32, 64, 128, 256)

    def __post_init__(self) -> None:
        if len(self.widths) != 4 or min(self.widths) < 1:
            raise ValueError(f"expected four widths of at least 1, got {self.widths}")
        largest = self.widths[-1]
        if not 2 <= self.reals_per_token <= largest or self.reals_per_token % 2:
            raise ValueError(
                f"expected an even reals_per_token in 2..{largest}, got {self.reals_per_token}"
            )


class DeepJSCC(nn.Module, AnalogModel):
    """Send images by one trained autoencoder of fixed bandwidth.

    Args:
        config: sizes.
    """

    def __init__(self, config: DeepJSCCConfig) -> None:
        super().__init__()
        self.config = config
        channels = (3, *config.widths)
        encoder: list[nn.Module] = []
        decoder: list[nn.Module] = []
        margin = KERNEL // 2
        for narrow, wide in pairwise(channels):
            down = nn.Conv2d(narrow, wide, KERNEL, stride=2, padding=margin)
            up = nn.ConvTranspose2d(wide, narrow, KERNEL, 2, margin, output_padding=1)
            encoder += [down, nn.PReLU(wide)]
            decoder += [up, nn.PReLU(wide)]
        sent = config.reals_per_token
        encoder += [nn.Conv2d(channels[-1], sent, KERNEL, padding=margin)]
        decoder += [nn.ConvTranspose2d(sent, channels[-1], KERNEL, padding=margin)]
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(*reversed(decoder))
        self.log_deviation = nn.Parameter(torch.zeros(sent))  # of what the encoder gives

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to real symbols of unit power.

        Args:
            image: (B, 3, H, W) in [0, 1], H and W multiples of 16.

        Returns:
            (B, N, k) and the gain (B,) that the receiver must know.
        """
        amplitudes = rearrange(self.encoder(image), "b k h w -> b (h w) k")
        return normalize_power(amplitudes, torch.ones_like(amplitudes, dtype=torch.bool))

    def decode(
        self, received: Tensor, snr_db: Tensor, *, gain: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        """Estimate the amplitudes by LMMSE, and from them the images.

        Args:
            received: (B, N, k).
            snr_db: (B,).
            gain: as `encode` gave it, (B,).
            grid: tokens in height and width, N = h * w.

        Returns:
            (B, 3, 16 h, 16 w), not clipped.
        """
        variance = (2 * self.log_deviation).exp()
        weight = lmmse_weight(variance, snr_db=snr_db, gain=gain)  # (B, 1, k)
        amplitudes = weight * received / gain[:, None, None]
        height, width = grid
        image: Tensor = self.decoder(
            rearrange(amplitudes, "b (h w) k -> b k h w", h=height, w=width)
        )
        return image

    def forward(
        self,
        image: Tensor,
        snr_db: Tensor,
        *,
        channel: Channel,
        generator: Generator | None = None,
    ) -> Tensor:
        """Send a batch through the channel and back, differentiably: (B, 3, H, W) twice."""
        symbols, gain = self.encode(image)
        received = to_real(channel(to_complex(symbols), snr_db, generator=generator))
        grid = (image.shape[-2] // PATCH, image.shape[-1] // PATCH)
        return self.decode(received, snr_db, gain=gain, grid=grid)

    @torch.no_grad()
    def send(self, image: Tensor) -> AnalogSignal:
        """Turn images (B, 3, H, W) in [0, 1] of any size into unit-power symbols."""
        symbols, gain = self.encode(pad_to_stride(image, stride=PATCH))
        code, _ = quantize_gain(gain)
        return AnalogSignal(symbols=to_complex(symbols).flatten(1), gain_code=code)

    @torch.no_grad()
    def receive(
        self, signal: AnalogSignal, snr_db: Tensor, *, image_size: tuple[int, int]
    ) -> Tensor:
        """Turn received symbols into images.

        Args:
            signal: with the symbols that the channel gave.
            snr_db: (B,).
            image_size: (H, W).

        Returns:
            (B, 3, H, W) in [0, 1].
        """
        grid = (math.ceil(image_size[0] / PATCH), math.ceil(image_size[1] / PATCH))
        received = to_real(signal.symbols).unflatten(1, (grid[0] * grid[1], -1))
        image = self.decode(received, snr_db, gain=dequantize_gain(signal.gain_code), grid=grid)
        return crop_to_size(image, image_size).clamp(0.0, 1.0)

    def cbr(self, image_size: tuple[int, int], *, snr_db: float) -> float:
        """Channel uses over 3 H W: the symbols, and the gain's byte at capacity."""
        return analog_cbr(image_size, reals_per_token=self.config.reals_per_token, snr_db=snr_db)

    def save_pretrained(self, folder: Path, *, dtype: torch.dtype = torch.float32) -> None:
        """Write config (JSON) and weights (safetensors) into a folder; its other files stay.

        Args:
            folder: where to; made if it is missing.
            dtype: to round and store the parameters in.
        """
        tensors = {name: tensor.to(dtype) for name, tensor in self.state_dict().items()}
        write_model(folder, config=json.dumps(asdict(self.config), indent=2), tensors=tensors)

    @classmethod
    def from_pretrained(cls, folder: Path) -> DeepJSCC:
        """Read what `save_pretrained` wrote, in evaluation mode.

        Raises:
            CheckpointError: if files are missing, damaged or of another model.
        """
        return read_model(folder, cls._from_json)

    @classmethod
    def _from_json(cls, text: str) -> DeepJSCC:
        try:
            return cls(build_config(DeepJSCCConfig, parse_json(text)))
        except ValueError as error:
            raise ValueError(f"not a config of DeepJSCC: {error}") from error
