"""Capacity of the channel: what an ideal code carries, and so what side information costs."""

import math

from torch import Tensor


def awgn_capacity(snr_db: float) -> float:
    """Bits per complex channel use of the AWGN channel, `log2(1 + SNR)`. Source: Shannon 1948."""
    return math.log1p(_linear(snr_db)) / math.log(2.0)


def awgn_capacities(snr_db: Tensor) -> Tensor:
    """Bits per complex channel use of the AWGN channel at each SNR, (B,) in dB -> (B,)."""
    return (1 + 10 ** (snr_db / 10)).log2()


def uses_at_capacity(bits: int, *, snr_db: float) -> int:
    """Complex channel uses that so many bits of side information take at the AWGN capacity."""
    return math.ceil(bits / awgn_capacity(snr_db))


def rayleigh_capacity(snr_db: float) -> float:
    """Mean bits per use when the fading changes with every use and the receiver knows it.

    `E log2(1 + abs(h)^2 SNR) = exp(1/SNR) E1(1/SNR) / ln 2`, `E1` the exponential integral.
    Source: Alouini and Goldsmith, "Capacity of Rayleigh fading channels under different adaptive
    transmission and diversity-combining techniques", IEEE Trans. Vehicular Technology 1999.
    With one fading per image there is no such number: any rate fails in a deep enough fade.
    """
    from scipy.special import hyperu

    # Tricomi's U(1, 1, x) is exp(x) E1(x) without its overflow.
    return float(hyperu(1.0, 1.0, 1.0 / _linear(snr_db))) / math.log(2.0)


def _linear(snr_db: float) -> float:
    """Turn an SNR in dB into a ratio."""
    if not -100.0 <= snr_db <= 100.0:
        raise ValueError(f"expected snr_db in -100..100, got {snr_db}")
    return 10.0 ** (snr_db / 10.0)
