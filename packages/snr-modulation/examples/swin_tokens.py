"""Train a Swin-like token encoder and decoder, each with an SNR adapter, at random SNR.

The adapters are at the positions of SwinJSCC: between the encoder's last layer and its head, and
before the decoder's first layer. ``load_swinjscc(path).encoder_snr`` fits the same position.

Run: python examples/swin_tokens.py
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from snr_modulation import (
    CheckReport,
    SNRAdapter,
    check,
    format_report,
    synthetic_images,
)

WIDTH, SYMBOLS, PATCH, WINDOW = 48, 12, 4, 4


class WindowBlock(nn.Module):
    """Attention inside 4 x 4 windows, shifted by half a window or not, and an MLP."""

    def __init__(self, *, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
        )

    def forward(self, grid: Tensor) -> Tensor:
        """Map (B, h, w, C) to the same shape. The shift wraps around, without Swin's mask."""
        rows, columns = grid.shape[1] // WINDOW, grid.shape[2] // WINDOW
        shifted = torch.roll(self.norm1(grid), (-self.shift, -self.shift), dims=(1, 2))
        windows = rearrange(
            shifted, "b (r i) (c j) d -> (b r c) (i j) d", i=WINDOW, j=WINDOW
        )  # (B, h, w, C) -> (B * windows, 16, C)
        mixed, _ = self.attention(windows, windows, windows, need_weights=False)
        mixed = rearrange(mixed, "(b r c) (i j) d -> b (r i) (c j) d", r=rows, c=columns, i=WINDOW)
        grid = grid + torch.roll(mixed, (self.shift, self.shift), dims=(1, 2))
        return grid + self.mlp(self.norm2(grid))


class SwinLikeJSCC(nn.Module):
    """Patches -> window blocks -> adapter -> head -> channel, and the reverse."""

    def __init__(self, *, sender: nn.Module, receiver: nn.Module) -> None:
        super().__init__()
        self.embed = nn.Linear(3 * PATCH**2, WIDTH)
        self.encoder = nn.Sequential(WindowBlock(shift=0), WindowBlock(shift=2))
        self.sender = sender
        self.head = nn.Linear(WIDTH, SYMBOLS)
        self.tail = nn.Linear(SYMBOLS, WIDTH)
        self.receiver = receiver
        self.decoder = nn.Sequential(WindowBlock(shift=0), WindowBlock(shift=2))
        self.unembed = nn.Linear(WIDTH, 3 * PATCH**2)

    def forward(self, image: Tensor, snr_db: Tensor) -> Tensor:
        """(B, 3, H, W) and one SNR per sample (B,) -> (B, 3, H, W)."""
        rows = image.shape[2] // PATCH
        patches = rearrange(image, "b c (r i) (s j) -> b r s (c i j)", i=PATCH, j=PATCH)
        tokens = rearrange(self.encoder(self.embed(patches)), "b r s d -> b (r s) d")
        symbols = self.head(self.sender(tokens, snr_db))  # (B, N, C) -> (B, N, 12)
        received = transmit(symbols, snr_db)
        tokens = self.receiver(self.tail(received), snr_db)  # (B, N, 12) -> (B, N, C)
        grid = self.decoder(rearrange(tokens, "b (r s) d -> b r s d", r=rows))
        pixels = self.unembed(grid)
        return rearrange(pixels, "b r s (c i j) -> b c (r i) (s j)", i=PATCH, j=PATCH)


def transmit(symbols: Tensor, snr_db: Tensor) -> Tensor:
    """Normalise each image's power to 1 and add white Gaussian noise."""
    power = symbols.square().mean(dim=(1, 2), keepdim=True)
    noise_power = 10 ** (-snr_db / 10).reshape(-1, 1, 1)
    return symbols * power.clamp(min=1e-8).rsqrt() + noise_power.sqrt() * torch.randn_like(symbols)


def train(model: nn.Module, *, steps: int) -> None:
    """Minimise the squared error, one random SNR per sample."""
    images = synthetic_images(128, size=32, seed=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(steps):
        batch = images[torch.randint(len(images), (16,))]
        snr_db = 22 * torch.rand(16) - 2
        optimizer.zero_grad()
        F.mse_loss(model(batch, snr_db), batch).backward()
        optimizer.step()


def main(*, steps: int = 300) -> CheckReport:
    """Train with adapters and check the result."""
    torch.manual_seed(0)
    model = SwinLikeJSCC(sender=SNRAdapter(WIDTH), receiver=SNRAdapter(WIDTH))
    train(model, steps=steps)
    report = check(model.eval(), synthetic_images(8, size=32))
    print(format_report(report))
    return report


if __name__ == "__main__":
    main()
