"""The peaks of a frame, and the amplifier that clips them."""

import math

from torch import Tensor


def papr_db(samples: Tensor) -> float:
    """Peak-to-average power ratio of samples `(n,)` complex, in dB.

    Raises:
        ValueError: there are none, or all are zero.
    """
    power = samples.abs().square()
    if not len(samples) or not float(power.max()) > 0:
        raise ValueError("expected samples, not all zero")
    return 10 * math.log10(float(power.max()) / float(power.double().mean()))


def clip_peaks(samples: Tensor, *, max_papr_db: float) -> Tensor:
    """Clip the amplitude of samples `(n,)` to `max_papr_db` above their mean power.

    Phases stay, and so does the scale: the mean power falls by what is cut off.

    Args:
        samples: complex, not all zero.
        max_papr_db: largest power over the mean power of `samples`, in dB, at least 0.
    """
    if not max_papr_db >= 0:
        raise ValueError(f"expected a PAPR of at least 0 dB, got {max_papr_db}")
    papr_db(samples)
    amplitude = samples.abs()
    limit = amplitude.square().double().mean().sqrt() * 10 ** (max_papr_db / 20)
    return samples * (limit / amplitude.clamp(min=1e-30)).clamp(max=1).to(amplitude.dtype)
