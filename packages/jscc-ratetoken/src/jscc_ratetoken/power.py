"""Power of a stream, per image, and the one byte that tells the receiver its gain."""

import torch
from einops import rearrange
from torch import Tensor

LOWEST_GAIN_DB = -64.0
GAIN_STEP_DB = 0.375  # 256 codes reach from -64 dB to +31.6 dB
LEAST_POWER = 1e-12  # keeps the gain of a silent image finite


def to_complex(s: Tensor) -> Tensor:
    """Pair real numbers into complex symbols, (..., 2m) -> (..., m), never below float32."""
    if s.shape[-1] % 2:
        raise ValueError(f"expected an even number of reals, got {tuple(s.shape)}")
    s = s.to(torch.promote_types(s.dtype, torch.float32))
    return torch.view_as_complex(rearrange(s, "... (m two) -> ... m two", two=2).contiguous())


def to_real(symbols: Tensor) -> Tensor:
    """Lay complex symbols out as real numbers, (..., m) -> (..., 2m)."""
    return rearrange(torch.view_as_real(symbols), "... m two -> ... (m two)")


def normalize_power(s: Tensor, mask: Tensor, *, power: float = 1.0) -> tuple[Tensor, Tensor]:
    """Bring the mean power per active complex symbol of each image to `power`.

    `1/K * sum_k abs(s_k)^2 = P` over the `K = sum(mask) / 2` complex symbols of one image, so an
    image never depends on its neighbours in the batch. A silent image stays silent.

    Args:
        s: stream of real numbers, (B, N, v).
        mask: active numbers, bool, (B, N, v).
        power: P per complex symbol.

    Returns:
        The stream times the gain, zero where inactive, and the gain, (B,); float32 or finer.
    """
    if s.ndim != 3 or mask.shape != s.shape:
        raise ValueError(
            f"expected s and mask (B, N, v), got {tuple(s.shape)} and {tuple(mask.shape)}"
        )
    s = s.to(torch.promote_types(s.dtype, torch.float32)).where(mask, 0)
    symbols = (mask.sum(dim=(1, 2)) / 2).clamp(min=1)  # (B,)
    mean_power = s.square().sum(dim=(1, 2)) / symbols
    gain = (power / mean_power.clamp(min=LEAST_POWER)).sqrt()
    return s * gain[:, None, None], gain


def gain_table(device: torch.device | None = None) -> Tensor:
    """List the 256 gains that a byte can name, rising by 0.375 dB."""
    steps = torch.arange(256, dtype=torch.float64, device=device)
    return (10 ** ((LOWEST_GAIN_DB + GAIN_STEP_DB * steps) / 20)).float()


def quantize_gain(gain: Tensor) -> tuple[Tensor, Tensor]:
    """Name gains to the receiver in one byte each, to the nearest 0.375 dB.

    The stream keeps the exact gain and with it the exact power; what the receiver is told is
    off by 2.2% of the amplitude at most.

    Args:
        gain: amplitude, (B,), positive; outside the table it is cut to its ends.

    Returns:
        Codes from 0 to 255, int64, (B,), and the gains they name, (B,).

    Raises:
        ValueError: for a gain that is not a positive number.
    """
    if not bool((gain > 0).all()):
        raise ValueError(f"expected positive gains, got {gain.tolist()}")
    steps = (20 * gain.detach().double().log10() - LOWEST_GAIN_DB) / GAIN_STEP_DB
    code = steps.round().clamp(0, 255).long()
    return code, dequantize_gain(code)


def dequantize_gain(code: Tensor) -> Tensor:
    """Return the gains that codes from 0 to 255 name."""
    return gain_table(code.device)[code.long()]
