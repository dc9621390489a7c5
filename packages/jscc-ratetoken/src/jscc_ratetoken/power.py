"""Power normalisation per image, and the code of the gain in one byte for the receiver."""

import torch
from einops import rearrange
from torch import Tensor

LOWEST_GAIN_DB = -64.0
GAIN_STEP_DB = 0.375  # 256 codes from -64 dB to +31.6 dB
LEAST_POWER = 1e-12  # keeps the gain of an all-zero image finite


def to_complex(s: Tensor) -> Tensor:
    """Combine pairs of reals to complex symbols, (..., 2m) -> (..., m), in float32 or finer."""
    if s.shape[-1] % 2:
        raise ValueError(f"expected an even number of reals, got {tuple(s.shape)}")
    s = s.to(torch.promote_types(s.dtype, torch.float32))
    return torch.view_as_complex(rearrange(s, "... (m two) -> ... m two", two=2).contiguous())


def to_real(symbols: Tensor) -> Tensor:
    """Split complex symbols into real numbers, (..., m) -> (..., 2m)."""
    return rearrange(torch.view_as_real(symbols), "... m two -> ... (m two)")


def normalize_power(s: Tensor, mask: Tensor, *, power: float = 1.0) -> tuple[Tensor, Tensor]:
    """Scale each image to a mean power of `power` per active complex symbol.

    `1/K * sum_k abs(s_k)^2 = P` over the `K = sum(mask) / 2` complex symbols of one image, so an
    image does not depend on the others of the batch. An all-zero image stays zero.

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
    """List the 256 gains that a byte can code, in steps of 0.375 dB."""
    steps = torch.arange(256, dtype=torch.float64, device=device)
    return (10 ** ((LOWEST_GAIN_DB + GAIN_STEP_DB * steps) / 20)).float()


def quantize_gain(gain: Tensor) -> tuple[Tensor, Tensor]:
    """Code gains in one byte each, to the nearest 0.375 dB.

    The stream keeps its exact gain and therefore its exact power. The coded gain has an error of at
    most 2.2% of the amplitude.

    Args:
        gain: factor on the amplitude, (B,), positive; clamped to the range of the table.

    Returns:
        Codes from 0 to 255, int64, (B,), and the gains of these codes, (B,).

    Raises:
        ValueError: for a gain that is not a positive number.
    """
    if not bool((gain > 0).all()):
        raise ValueError(f"expected positive gains, got {gain.tolist()}")
    steps = (20 * gain.detach().double().log10() - LOWEST_GAIN_DB) / GAIN_STEP_DB
    code = steps.round().clamp(0, 255).long()
    return code, dequantize_gain(code)


def dequantize_gain(code: Tensor) -> Tensor:
    """Return the gains of codes from 0 to 255."""
    return gain_table(code.device)[code.long()]
