"""What the link did to a frame: start, carrier offset, drift, paths, IQ imbalance and DC."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrisc_system.radio.framing import PREAMBLE_LENGTH, preamble
from lrisc_system.radio.known_symbols import KnownSymbols
from lrisc_system.radio.resampling import SymbolClock
from lrisc_system.radio.tracking import Array, Reals, track_taps

CANDIDATE_DELAYS = np.arange(-8, 17)  # symbols, against the strongest path
SIGNIFICANT = 8.0  # times the variance of its estimate: noise passes for a path once in 3,000
CLOCK_STANDARD_DEVIATION = 2e-5  # of sample clocks against one another, prior of the drift
_WEAKEST_NOISE = 1e-8  # of the signal


@dataclass(frozen=True, eq=False)
class Paths:
    """A channel's paths that stand out from the noise.

    Attributes:
        delays: in symbols, `(A,)`.
        taps: complex gains, `(A,)`.
        noise_power: of a received symbol.
    """

    delays: NDArray[np.int64]
    taps: Array
    noise_power: float

    @property
    def snr_db(self) -> float:
        """Power received on all paths over the noise."""
        power = float((np.abs(self.taps) ** 2).sum())
        return 10 * math.log10(max(power, 1e-300) / self.noise_power)


def refine_clock(recording: Tensor, clock: SymbolClock) -> SymbolClock:
    """Refine start and carrier offset: the strongest correlation with the whole preamble.

    Args:
        recording: `(n,)` complex.
        clock: start to a quarter of a symbol, carrier offset to 0.012 cycles per symbol.
    """
    template = preamble().conj()
    reach, bins = 0.012, 4096
    near = torch.arange(-int(reach * bins), int(reach * bins) + 1)

    def correlate(delay: float, offset: float) -> float:
        moved = clock.moved(delay=delay, offset=offset)
        return float((moved.sample(recording, 0, PREAMBLE_LENGTH) * template).sum().abs())

    best = (-1.0, 0.0, 0.0)
    for delay in np.arange(-0.75, 0.76, 0.25):
        matched = clock.moved(delay=delay).sample(recording, 0, PREAMBLE_LENGTH) * template
        spectrum = torch.fft.fft(matched, n=bins).abs()[near]
        peak = int(spectrum.argmax())
        best = max(best, (float(spectrum[peak]), float(delay), float(near[peak]) / bins))
    _, delay, offset = best
    for halvings in range(10):
        scale = 0.5**halvings
        delay = _step_uphill(lambda d: correlate(d, offset), delay, step=0.25 * scale)  # noqa: B023
        offset = _step_uphill(
            lambda f: correlate(delay, f),  # noqa: B023
            offset,
            step=0.25 * scale / PREAMBLE_LENGTH,
        )
    return clock.moved(delay=delay, offset=offset)


def fit_paths(
    known: KnownSymbols,
    samples: Array,
    gains: Reals | Array,
    *,
    keep: Sequence[int] = (),
    weakest: float = 0.0,
) -> Paths:
    """Fit the paths by least squares and drop those within the noise.

    Args:
        known: T groups of known symbols.
        samples: of the frame, MARGIN before it and behind it included.
        gains: by which all paths are multiplied at each group, `(T,)`.
        keep: delays of paths that are not dropped.
        weakest: amplitude below which paths are dropped, of the strongest one.
    """
    received = known.received(samples) / gains[:, None]
    weights = known.used * np.abs(gains[:, None]) ** 2
    delays, taps = np.zeros(1, dtype=np.int64), np.ones(1, dtype=complex)
    noise_power = 1.0
    for _ in range(3):
        noise = known.noise(delays, taps, noise_power)
        everything, covariance = _least_squares(
            known.behind(CANDIDATE_DELAYS), received, weights / noise
        )
        significant = np.abs(everything) ** 2 > SIGNIFICANT * covariance
        significant &= np.abs(everything) >= weakest * np.abs(everything).max()
        significant[np.abs(everything).argmax()] = True
        significant |= np.isin(CANDIDATE_DELAYS, keep)
        delays = CANDIDATE_DELAYS[significant]
        X = known.behind(delays)
        taps, _ = _least_squares(X, received, weights / noise)
        # Cells of unit power add to the error; what is left is the noise.
        unknown = known.noise(delays, taps, 0.0)
        clean = weights * (unknown < 1e-3 * (np.abs(taps) ** 2).sum())
        error = np.abs(received - X @ taps) ** 2
        freedom = 1 - len(delays) / max((clean > 0).sum(), len(delays) + 1)
        noise_power = float((clean * error).sum() / max((clean > 0).sum(), 1) / freedom)
        noise_power = max(noise_power, _WEAKEST_NOISE * float((np.abs(taps) ** 2).sum()))
    return Paths(delays, taps, noise_power)


def track_gain(known: KnownSymbols, samples: Array, paths: Paths) -> Array:
    """Follow the gain that all paths have in common, `(T,)`."""
    X = known.behind(paths.delays) @ paths.taps[:, None]
    noise = known.noise(paths.delays, paths.taps, paths.noise_power)
    groups = known.groups(X, known.received(samples), noise)
    return track_taps(groups, np.ones(1, dtype=complex), np.ones(1)).taps[:, 0]


def residual_offset(known: KnownSymbols, samples: Array, paths: Paths, *, reach: float) -> float:
    """Carrier offset that is left, at most `reach`, in cycles per symbol."""
    X = known.behind(paths.delays) @ paths.taps
    noise = known.noise(paths.delays, paths.taps, paths.noise_power)
    gains = (known.received(samples) * X.conj() * known.used / noise).sum(1)
    span = known.times[-1] - known.times[0]

    def strength(offset: Reals) -> Reals:
        turns = np.exp(-2j * np.pi * np.multiply.outer(offset, known.times))
        return np.abs(turns @ gains)

    steps = math.ceil(8 * reach * span)
    offsets = np.arange(-steps, steps + 1) / (8 * span)
    offset = float(offsets[strength(offsets).argmax()])
    for halvings in range(8):
        offset = _step_uphill(
            lambda f: float(strength(np.array(f))), offset, step=0.5**halvings / (16 * span)
        )
    return offset


def residual_delay(
    known: KnownSymbols, samples: Array, paths: Paths, gains: Array
) -> tuple[float, float]:
    """Delay that is left at the frame's start, in symbols, and drift.

    The derivative of the known signal is fitted to what the paths leave unexplained. The drift has
    a normal prior, so that a short frame at low SNR does not get a drift out of noise.
    """
    X = known.behind(paths.delays) @ paths.taps * gains[:, None]
    slope = known.derivative(paths.delays) @ paths.taps * gains[:, None]
    noise = known.noise(paths.delays, paths.taps, paths.noise_power)
    weights = known.used / noise
    information = 2 * (np.abs(slope) ** 2 * weights).sum(1)  # (T,), of a delay
    error = known.received(samples) - X
    projection = -2 * (slope.conj() * error).real * weights
    delay = projection.sum(1)
    times = known.times
    normal = np.array(
        [
            [information.sum(), (information * times).sum()],
            [(information * times).sum(), (information * times**2).sum()],
        ]
    )
    # What moves otherwise than by a delay, as paths that fade do, counts as noise.
    misfit = float((np.abs(error) ** 2 * weights).sum() / known.used.sum())
    normal /= max(misfit, 1.0)
    delay = delay / max(misfit, 1.0)
    normal[1, 1] += 1 / CLOCK_STANDARD_DEVIATION**2
    at_start, drift = np.linalg.solve(normal, [delay.sum(), (delay * times).sum()])
    return float(at_start), float(drift)


def _least_squares(X: Array, received: Array, weights: Reals) -> tuple[Array, Reals]:
    """Weighted least squares over all groups: the taps, `(A,)`, and their variances."""
    used = weights > 0
    X, received = X[used], received[used]  # (rows, A)
    weighted = X.conj().T * weights[used]
    information = weighted @ X
    information += 1e-9 * np.trace(information).real / len(information) * np.eye(len(information))
    inverse = np.linalg.inv(information)
    return inverse @ (weighted @ received), np.diag(inverse).real


def _step_uphill(function: Callable[[float], float], x: float, *, step: float) -> float:
    """Go at most one step towards the maximum: to the vertex of a parabola through three points."""
    left, middle, right = function(x - step), function(x), function(x + step)
    curvature = left - 2 * middle + right
    if curvature >= 0:
        return x + math.copysign(step, right - left)
    return x + step * min(max((left - right) / (2 * curvature), -1.0), 1.0)
