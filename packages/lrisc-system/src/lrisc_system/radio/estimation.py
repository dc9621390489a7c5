"""What the link did to a frame that was found: delay, carrier offset, gain and phase, finely."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lrisc_system.radio.framing import PREAMBLE_LENGTH, FrameLayout, preamble
from lrisc_system.radio.waveforms import shift_frequency

TRACKING_WINDOW = 1024  # samples over which gain and phase are averaged
GUARD = 256  # samples around the frame that hold the tails of its band-limited pulses


def cut_frame(recording: Tensor, start: int, length: int) -> Tensor:
    """Cut GUARD samples more than `length` at either end, silence beyond the recording."""
    cut = torch.zeros(length + 2 * GUARD, dtype=torch.complex128)
    first, last = max(start - GUARD, 0), min(start + length + GUARD, len(recording))
    cut[first - start + GUARD : last - start + GUARD] = recording[first:last]
    return cut


def refine_start(samples: Tensor, offset: float) -> tuple[float, float]:
    """Refine where the preamble begins and its carrier offset, by its correlation.

    Args:
        samples: the preamble with GUARD samples at either end.
        offset: coarse, in cycles per sample.

    Returns:
        What the start lies later than thought, in samples, and the offset.
    """
    template = torch.zeros_like(samples)
    template[GUARD:-GUARD] = preamble()
    spectrum = torch.fft.fft(template).conj()
    frequency = torch.fft.fftfreq(len(samples), dtype=torch.float64)

    def correlate(delay: float, offset: float) -> float:
        phase = torch.polar(torch.ones_like(frequency), 2 * math.pi * frequency * delay)
        shifted = torch.fft.fft(shift_frequency(samples, -offset))
        return float((shifted * spectrum * phase).sum().abs())

    delay = 0.0
    for halvings in range(12):
        scale = 0.5**halvings
        delay = _step_uphill(lambda d: correlate(d, offset), delay, step=0.5 * scale)  # noqa: B023
        offset = _step_uphill(
            lambda f: correlate(delay, f),  # noqa: B023
            offset,
            step=0.25 * scale / PREAMBLE_LENGTH,
        )
    return delay, offset


def residual_offset(samples: Tensor, layout: FrameLayout) -> float:
    """Estimate what is left of the carrier offset, from preamble and pilots together."""
    gains = samples * layout.known.conj()  # the link's gain where it is known, zero elsewhere
    bins = 2 ** math.ceil(math.log2(2 * layout.length))
    spectrum = torch.fft.fft(gains, n=bins).abs()
    reach = bins // (8 * PREAMBLE_LENGTH)  # the preamble alone leaves far less than this
    near = torch.arange(-reach, reach + 1)
    residual = float(near[spectrum[near].argmax()]) / bins

    def strength(offset: float) -> float:
        return float(shift_frequency(gains, -offset).sum().abs())

    for halvings in range(12):
        residual = _step_uphill(strength, residual, step=0.5**halvings / bins)
    return residual


def track_gain(samples: Tensor, layout: FrameLayout) -> tuple[Tensor, Tensor]:
    """Average the link's complex gain over the known samples of a window around each sample.

    Returns:
        The gain, `(length,)`, and over how many known samples it is averaged, `(length,)`.
    """
    gains = samples * layout.known.conj()
    known = layout.is_known.double()
    first = (torch.arange(layout.length) - TRACKING_WINDOW // 2).clamp(min=0)
    last = (torch.arange(layout.length) + TRACKING_WINDOW // 2 + 1).clamp(max=layout.length)
    gains, known = (torch.cat([row.new_zeros(1), row.cumsum(0)]) for row in (gains, known))
    count = known[last] - known[first]
    return (gains[last] - gains[first]) / count, count


def _step_uphill(function: Callable[[float], float], x: float, *, step: float) -> float:
    """Go at most one step towards the maximum: to the vertex of a parabola through three points."""
    left, middle, right = function(x - step), function(x), function(x + step)
    curvature = left - 2 * middle + right
    if curvature >= 0:
        return x + math.copysign(step, right - left)
    return x + step * min(max((left - right) / (2 * curvature), -1.0), 1.0)
