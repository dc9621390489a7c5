"""The features of the received latent that the U-Net takes."""

import torch
from torch import Tensor, nn

from cond_diffusion.blocks import ResBlock

LATENT_STRIDE = 16


class Conditioner(nn.Module):
    """Features of `y_hat` for the first four down units, finest first.

    Source: LRISC Sec. III-A.4: ResNet blocks and transposed convolutions. Widths reconstructed.

        y_hat -> stem -> ResBlock -> [up] -> unit 4
                 -> ResBlock -> up -> unit 3 -> ResBlock -> up -> unit 2 -> ... -> unit 1

    Unit `j` works at stride `patch_size * 2^(j-1)` and gets `j * width` channels. The buffer
    `latent_scale` (C,) is the standard deviation of each latent channel, ones by default.

    Args:
        latent_channels: channels C of `y_hat`, which has stride 16.
        width: channels for the first unit, a multiple of 8.
        patch_size: stride of the first unit, 1 or 2.
    """

    latent_scale: Tensor

    def __init__(self, *, latent_channels: int, width: int, patch_size: int):
        super().__init__()
        self.register_buffer("latent_scale", torch.ones(latent_channels))
        self.stem = nn.Conv2d(latent_channels, 4 * width, 1)
        coarsest = 8 * patch_size
        self.blocks = nn.ModuleList()
        self.ups = nn.ModuleList()
        for unit in (4, 3, 2, 1):
            channels = unit * width
            source = min(unit + 1, 4) * width
            at_latent_stride = unit == 4 and coarsest == LATENT_STRIDE
            self.blocks.append(ResBlock(source, source))
            self.ups.append(
                nn.Identity()
                if at_latent_stride
                else nn.ConvTranspose2d(source, channels, 4, stride=2, padding=1)
            )

    def forward(self, y_hat: Tensor) -> list[Tensor]:
        """Map `y_hat` (B, C, h, w) to four maps (B, j * width, 16 h / s_j, 16 w / s_j)."""
        h = self.stem(y_hat / self.latent_scale[:, None, None])
        features = []
        for block, up in zip(self.blocks, self.ups, strict=True):
            h = up(block(h))
            features.append(h)
        return features[::-1]
