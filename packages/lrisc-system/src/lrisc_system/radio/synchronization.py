"""Find a frame in a recording and undo the link: delay, carrier offset, gain, phase.

recording -> coarse start and offset by correlation with the preamble -> both refined
          -> frame cut out, turned back, shifted by the fraction of a sample
          -> offset refined over all pilots -> gain and phase followed along the frame -> symbols

The link is taken to be flat over the band and its delay constant over the frame.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lrisc_system.radio.framing import (
    PREAMBLE_LENGTH,
    PREAMBLE_ROOT,
    FrameLayout,
    frame_layout,
    zadoff_chu,
)

MAX_CARRIER_OFFSET = 0.005  # cycles per sample: 5 kHz at 1 MS/s
DETECTION_THRESHOLD = 0.3  # of the correlation; noise alone reaches 0.25 in a million samples
TRACKING_WINDOW = 1024  # samples over which gain and phase are averaged
GUARD = 256  # samples around the frame that hold the tails of its band-limited pulses
_BLOCK = 4096


class SyncError(ValueError):
    """No frame in the recording, or not all of it; the message is one line."""


@dataclass(frozen=True, eq=False)
class ReceivedFrame:
    """A frame's symbols, and what the link had done to them.

    Attributes:
        symbols: `(K,)` complex64, gain, phase, offset and delay undone.
        snr_db: measured on preamble and pilots.
        start: where the frame began, in samples from the start of the recording.
        carrier_offset: in cycles per sample.
        gain: mean amplitude of the link.
    """

    symbols: Tensor = field(repr=False)
    snr_db: float
    start: float
    carrier_offset: float
    gain: float


def receive_frame(
    recording: Tensor, *, symbols: int, max_carrier_offset: float = MAX_CARRIER_OFFSET
) -> ReceivedFrame:
    """Find and equalise the strongest frame of a recording.

    Args:
        recording: `(n,)` complex, one sample per symbol.
        symbols: K, how many symbols the frame carries.
        max_carrier_offset: largest offset to look for, in cycles per sample.

    Raises:
        SyncError: if there is no preamble, or the frame is cut off.
        ValueError: if the recording is not a row of finite complex numbers.
    """
    if recording.ndim != 1 or not recording.is_complex():
        got = f"{tuple(recording.shape)} {recording.dtype}"
        raise ValueError(f"expected a recording (n,) of complex samples, got {got}")
    if not torch.isfinite(torch.view_as_real(recording)).all():
        raise ValueError("expected a recording of finite samples, got NaN or infinity")
    if symbols > len(recording):
        raise SyncError(f"expected at least {symbols} samples, got {len(recording)}")
    layout = frame_layout(symbols)
    start, offset = find_preamble(recording, max_carrier_offset=max_carrier_offset)
    missing = start + layout.length - len(recording)
    if missing > 0:
        raise SyncError(f"the recording ends {missing} samples before the frame does")

    fraction, offset = _refine(_cut(recording, start, PREAMBLE_LENGTH), offset)
    samples = turn(_cut(recording, start, layout.length), -offset)
    samples = shift(samples, -fraction)[GUARD : GUARD + layout.length]
    residual = _residual_offset(samples, layout)
    samples = turn(samples, -residual)

    gain, averaged = _track_gain(samples, layout)
    equalised = samples / gain
    error = (equalised - layout.known)[layout.is_known].abs().square()
    # The average over m known samples fits their noise too and leaves 1 - 1/m of it.
    noise_power = error.sum() / (1 - 1 / averaged[layout.is_known]).sum()
    return ReceivedFrame(
        symbols=equalised[~layout.is_known].to(torch.complex64),
        snr_db=-10 * math.log10(max(float(noise_power), 1e-30)),
        start=start + fraction,
        carrier_offset=offset + residual,
        gain=float(gain.abs().mean()),
    )


def find_preamble(
    recording: Tensor, *, max_carrier_offset: float = MAX_CARRIER_OFFSET
) -> tuple[int, float]:
    """Find the strongest preamble by normalised correlation.

    The recording is correlated with preambles turned by offsets half a cycle per preamble apart.

    Args:
        recording: `(n,)` complex.
        max_carrier_offset: in cycles per sample.

    Returns:
        The start in samples, and the carrier offset in cycles per sample to a quarter of a cycle
        per preamble.

    Raises:
        SyncError: if the correlation stays below DETECTION_THRESHOLD everywhere.
    """
    if len(recording) < PREAMBLE_LENGTH:
        raise SyncError(f"expected at least {PREAMBLE_LENGTH} samples, got {len(recording)}")
    steps = math.ceil(2 * PREAMBLE_LENGTH * max_carrier_offset)
    offsets = torch.arange(-steps, steps + 1) / (2 * PREAMBLE_LENGTH)  # (F,)
    templates = torch.stack([turn(_preamble(), float(offset)) for offset in offsets])
    spectra = torch.fft.fft(templates, n=_BLOCK).conj()  # (F, _BLOCK)
    weakest = 1e-12 * float(recording.abs().square().max())  # where there is only silence

    best, best_start, best_offset = 0.0, 0, 0.0
    hop = _BLOCK - PREAMBLE_LENGTH + 1
    for first in range(0, len(recording) - PREAMBLE_LENGTH + 1, hop):
        block = recording[first : first + _BLOCK].to(torch.complex128)
        starts = len(block) - PREAMBLE_LENGTH + 1
        correlation = torch.fft.ifft(torch.fft.fft(block, n=_BLOCK) * spectra)[:, :starts]
        energy = block.abs().square().unfold(0, PREAMBLE_LENGTH, 1).sum(dim=1)  # (starts,)
        power = correlation.abs().square() / (
            PREAMBLE_LENGTH * energy.clamp(min=max(PREAMBLE_LENGTH * weakest, 1e-300))
        )
        if float(power.max()) > best:
            row, column = divmod(int(power.argmax()), starts)
            best, best_start = float(power.max()), first + column
            best_offset = float(offsets[row])
    if best < DETECTION_THRESHOLD**2:
        raise SyncError(
            f"no preamble found: expected a correlation of at least {DETECTION_THRESHOLD}, "
            f"the strongest is {math.sqrt(best):.2f}"
        )
    return best_start, best_offset


def turn(samples: Tensor, offset: float) -> Tensor:
    """Turn samples `(n,)` by `offset` cycles per sample, from no turn at the first one."""
    turns = offset * torch.arange(len(samples), dtype=torch.float64)
    return samples * torch.polar(torch.ones_like(turns), 2 * math.pi * turns)


def shift(samples: Tensor, delay: float) -> Tensor:
    """Delay samples `(n,)` by a fraction of a sample, band-limited and cyclic."""
    frequency = torch.fft.fftfreq(len(samples), dtype=torch.float64)
    phase = torch.polar(torch.ones_like(frequency), -2 * math.pi * frequency * delay)
    return torch.fft.ifft(torch.fft.fft(samples) * phase)


def _preamble() -> Tensor:
    return zadoff_chu(PREAMBLE_LENGTH, root=PREAMBLE_ROOT)


def _cut(recording: Tensor, start: int, length: int) -> Tensor:
    """Cut GUARD samples more than `length` at either end, silence beyond the recording."""
    cut = torch.zeros(length + 2 * GUARD, dtype=torch.complex128)
    first, last = max(start - GUARD, 0), min(start + length + GUARD, len(recording))
    cut[first - start + GUARD : last - start + GUARD] = recording[first:last]
    return cut


def _refine(samples: Tensor, offset: float) -> tuple[float, float]:
    """Refine where the preamble begins and its carrier offset, by its correlation.

    Args:
        samples: the preamble with GUARD samples at either end.
        offset: coarse, in cycles per sample.

    Returns:
        What the start lies later than thought, in samples, and the offset.
    """
    template = torch.zeros_like(samples)
    template[GUARD:-GUARD] = _preamble()
    spectrum = torch.fft.fft(template).conj()
    frequency = torch.fft.fftfreq(len(samples), dtype=torch.float64)

    def correlate(delay: float, offset: float) -> float:
        phase = torch.polar(torch.ones_like(frequency), 2 * math.pi * frequency * delay)
        return float((torch.fft.fft(turn(samples, -offset)) * spectrum * phase).sum().abs())

    delay = 0.0
    for halvings in range(12):
        scale = 0.5**halvings
        delay = _uphill(lambda d: correlate(d, offset), delay, step=0.5 * scale)  # noqa: B023
        offset = _uphill(
            lambda f: correlate(delay, f),  # noqa: B023
            offset,
            step=0.25 * scale / PREAMBLE_LENGTH,
        )
    return delay, offset


def _residual_offset(samples: Tensor, layout: FrameLayout) -> float:
    """Estimate what is left of the carrier offset, from preamble and pilots together."""
    gains = samples * layout.known.conj()  # the link's gain where it is known, zero elsewhere
    bins = 2 ** math.ceil(math.log2(2 * layout.length))
    spectrum = torch.fft.fft(gains, n=bins).abs()
    reach = bins // (8 * PREAMBLE_LENGTH)  # the preamble alone leaves far less than this
    near = torch.arange(-reach, reach + 1)
    residual = float(near[spectrum[near].argmax()]) / bins

    def strength(offset: float) -> float:
        return float(turn(gains, -offset).sum().abs())

    for halvings in range(12):
        residual = _uphill(strength, residual, step=0.5**halvings / bins)
    return residual


def _uphill(function: Callable[[float], float], x: float, *, step: float) -> float:
    """Go at most one step towards the maximum: to the vertex of a parabola through three points."""
    left, middle, right = function(x - step), function(x), function(x + step)
    curvature = left - 2 * middle + right
    if curvature >= 0:
        return x + math.copysign(step, right - left)
    return x + step * min(max((left - right) / (2 * curvature), -1.0), 1.0)


def _track_gain(samples: Tensor, layout: FrameLayout) -> tuple[Tensor, Tensor]:
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
