"""Transformer blocks on windows of tokens; the cost is proportional to the area."""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

WINDOWS_AT_ONCE = 64  # bounds the memory of attention on large images


def window_regions(height: int, width: int, *, window: int, shift: int) -> Tensor:
    """Label the tokens of each window of a padded and rolled grid.

    Rolling moves the far edge into the windows of the near edge. Tokens attend to each other if
    their labels are equal: 0 to 3 for tokens, by the edge they came from, and -1 for padding.

    Returns:
        (number of windows, window * window), int64.
    """

    def side(length: int) -> tuple[Tensor, Tensor]:
        padded = -(-length // window) * window
        place = torch.arange(padded)
        return (place < shift).long(), (place - shift) % padded < length

    from_bottom, row_exists = side(height)
    from_right, column_exists = side(width)
    label = 2 * from_bottom[:, None] + from_right[None, :]
    label = label.where(row_exists[:, None] & column_exists[None, :], torch.tensor(-1))
    return rearrange(label, "(i p) (j q) -> (i j) (p q)", p=window, q=window)


class WindowBlock(nn.Module):
    """A timm `Block` on windows of `window` x `window` tokens, which starts as the identity.

    With `shift` the windows are offset, so that successive blocks connect tokens across window
    borders. The grid is padded to whole windows. Padding is masked and never changes a result.
    """

    def __init__(
        self, width: int, *, heads: int, mlp_ratio: float, window: int, shift: int
    ) -> None:
        from timm.models.vision_transformer import Block  # takes seconds; channels need none of it

        super().__init__()
        self.window = window
        self.shift = shift
        self.position = nn.Parameter(torch.zeros(window * window, width))
        self.block = Block(width, num_heads=heads, mlp_ratio=mlp_ratio, qkv_bias=True)
        for last in ("attn.proj", "mlp.fc2"):
            for parameter in self.block.get_submodule(last).parameters():
                nn.init.zeros_(parameter)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (B, h, w, C) to the same shape."""
        batch, height, width, _ = grid.shape
        window, shift = self.window, self.shift
        grid = F.pad(grid, (0, 0, 0, -width % window, 0, -height % window))
        columns = grid.shape[2] // window
        grid = grid.roll((shift, shift), dims=(1, 2))
        x = rearrange(grid, "b (i p) (j q) c -> (b i j) (p q) c", p=window, q=window)
        x = self._attend(x, self._mask(batch, height, width, device=x.device))
        grid = rearrange(x, "(b i j) (p q) c -> b (i p) (j q) c", b=batch, j=columns, p=window)
        return grid.roll((-shift, -shift), dims=(1, 2))[:, :height, :width]

    def _attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Run the block with the position added to its input and subtracted from its output."""
        # The backward pass keeps all windows in any case.
        at_once = len(x) if torch.is_grad_enabled() else WINDOWS_AT_ONCE
        parts = x.split(at_once)
        masks = [None] * len(parts) if mask is None else mask.split(at_once)
        done = [
            self.block(part + self.position, attn_mask=m) - self.position
            for part, m in zip(parts, masks, strict=True)
        ]
        return torch.cat(done)

    def _mask(self, batch: int, height: int, width: int, *, device: torch.device) -> Tensor | None:
        """Build (B * windows, 1, L, L), True where a query may see a key, or None if everywhere."""
        if self.shift == 0 and height % self.window == 0 and width % self.window == 0:
            return None
        label = window_regions(height, width, window=self.window, shift=self.shift).to(device)
        return (label[:, None, :, None] == label[:, None, None, :]).repeat(batch, 1, 1, 1)
