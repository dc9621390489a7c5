"""The two blocks of the U-Net and its conditioner."""

import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 8


class ResBlock(nn.Module):
    """Two 3x3 convolutions, each after GroupNorm and SiLU, added to an identity path.

    Args:
        in_channels, out_channels: multiples of `GROUPS`.
        time_width: width of the time features that are added between the convolutions, 0 for none.
    """

    def __init__(self, in_channels: int, out_channels: int, *, time_width: int = 0):
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.time = nn.Linear(time_width, out_channels) if time_width else None
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """Map `x` (B, in, H, W) and time features (B, time_width) to (B, out, H, W)."""
        h = self.conv1(F.silu(self.norm1(x)))
        if self.time is not None and time is not None:
            h = h + self.time(time)[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class LinearAttention(nn.Module):
    """Attention with a cost proportional to the area, not to its square (Shen et al., 2021).

    The softmax of the queries is over the width of the head, that of the keys over the positions.
    Keys and values of the whole map therefore reduce to one `head_width x head_width` matrix per
    head.
    """

    def __init__(self, channels: int, *, heads: int, head_width: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Linear(channels, 3 * heads * head_width, bias=False)
        self.out = nn.Linear(heads * head_width, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape, added to the input."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, N, C), N = H W
        qkv = self.qkv(tokens).unflatten(2, (3, self.heads, -1))  # (B, N, 3, heads, d)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # 3 x (B, heads, N, d)
        context = k.softmax(dim=2).transpose(2, 3) @ v  # (B, heads, d, d)
        mixed = (q.softmax(dim=3) @ context).transpose(1, 2).flatten(2)  # (B, N, heads d)
        return x + self.out(mixed).transpose(1, 2).unflatten(2, x.shape[2:])
