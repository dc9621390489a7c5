"""Follow a channel's taps along a frame, from known symbols that come in groups.

The taps `h` are a random walk: from one group to the next, `d` symbols later, their covariance
grows by `d (common c c^H + each diag(energy))`, with `c` the mean taps. The first part turns and
scales all paths together, as phase noise does. The second moves each path alone, as fading and a
drifting delay do. Both rates are those under which the known symbols are likeliest, so that a
channel that stands still is averaged over the whole frame.

Kalman filter and Rauch-Tung-Striebel smoother. Source: Rauch, Tung and Striebel 1965.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.complex128]
Reals = NDArray[np.float64]

COMMON_RATES = (0.0, 1e-8, 1e-7, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 1e-3)  # of |c|^2, per symbol
EACH_RATES = (0.0, 1e-7, 1e-6, 1e-5, 1e-4)
TAP_FLOOR = 0.02  # of the energy of all taps: a path that is weak on the whole may come and go
# A channel moves only if its known symbols are e^4 times likelier then; noise alone hardly does so.
EVIDENCE = 4.0
RATE_GROUPS = 160  # the rates are chosen on as many groups


@dataclass(frozen=True, eq=False)
class Groups:
    """Known symbols of T groups, reduced to what they say on A taps.

    Attributes:
        times: of the groups' middles, in symbols, `(T,)`.
        information: `X^H R^-1 X`, `(T, A, A)`, with X the symbols behind each tap, R the noise.
        projection: `X^H R^-1 r`, `(T, A)`, with r the samples received.
    """

    times: Reals
    information: Array
    projection: Array


@dataclass(frozen=True, eq=False)
class TapTrack:
    """Taps along the frame.

    Attributes:
        times: in symbols, `(T,)`.
        taps: `(T, A)`.
        covariance: of their errors, `(T, A, A)`.
        walk: what the covariance grows by in a symbol, `(A, A)`.
    """

    times: Reals
    taps: Array
    covariance: Array
    walk: Array

    def at(self, times: Reals) -> Array:
        """Taps at other times, `(N, A)`: between groups a random walk is best on a line."""
        return np.stack(
            [
                np.interp(times, self.times, tap.real) + 1j * np.interp(times, self.times, tap.imag)
                for tap in self.taps.T
            ],
            axis=-1,
        )

    def error_power(self, times: Reals) -> Reals:
        """Mean square error of the received signal at other times, for unit symbols, `(N,)`."""
        at_groups = np.trace(self.covariance, axis1=1, axis2=2).real
        power: Reals = np.interp(times, self.times, at_groups)
        # A bridge between two groups adds d a (1 - a); behind the last, d.
        after = np.clip(np.searchsorted(self.times, times), 1, max(len(self.times) - 1, 1))
        walk = float(np.trace(self.walk).real)
        if len(self.times) == 1:
            return power + walk * np.abs(times - self.times[0])
        gap = self.times[after] - self.times[after - 1]
        place = (times - self.times[after - 1]) / gap
        bridge = gap * np.where(place > 1, place - 1, np.clip(place, 0, 1) * (1 - place))
        return power + walk * np.maximum(bridge, 0)


def track_taps(groups: Groups, mean: Array, energy: Reals) -> TapTrack:
    """Smooth the taps over all groups, at the rates that fit best.

    Args:
        groups: the known symbols.
        mean: c, `(A,)`.
        energy: that the taps may have where c is weak, `(A,)`.
    """
    common = np.outer(mean, mean.conj())
    each: Array = np.diag(energy + TAP_FLOOR * energy.sum()).astype(np.complex128)
    rates = [(a, b) for a in COMMON_RATES for b in (EACH_RATES if len(mean) > 1 else (0.0,))]
    walks = np.stack([a * common + b * each for a, b in rates])  # (G, A, A)
    start: Array = np.multiply(10.0, each)
    some = slice(0, RATE_GROUPS)
    few = Groups(groups.times[some], groups.information[some], groups.projection[some])
    *_, likelihood = _filter(few, walks, start)
    likelihood[1:] -= EVIDENCE
    walk = walks[int(likelihood.argmax())]
    if not walk.any():
        covariance = np.linalg.inv(np.linalg.inv(start) + groups.information.sum(0))
        taps = covariance @ groups.projection.sum(0)
        same = [0] * len(groups.times)
        return TapTrack(groups.times, taps[None][same], covariance[None][same], walk)
    taps, covariance, _ = _filter(groups, walk[None], start)
    taps, covariance = _smooth(groups.times, taps[:, 0], covariance[:, 0], walk)
    return TapTrack(groups.times, taps, covariance, walk)


def _filter(groups: Groups, walks: Array, start: Array) -> tuple[Array, Array, Reals]:
    """Filter under each of G walks: means (T, G, A), covariances (T, G, A, A), log-likelihoods."""
    count, size = len(walks), walks.shape[-1]
    mean = np.zeros((count, size), dtype=complex)
    covariance = np.broadcast_to(start, (count, size, size)).copy()
    likelihood = np.zeros(count)
    eye = np.eye(size)
    means, covariances = [], []
    gaps = np.diff(groups.times, prepend=groups.times[:1])
    for gap, J, z in zip(gaps, groups.information, groups.projection, strict=True):
        covariance = covariance + gap * walks
        inner = eye + covariance @ J  # (G, A, A)
        covariance = np.linalg.solve(inner, covariance)
        innovation = z - mean @ J.T  # (G, A)
        step = (covariance @ innovation[..., None])[..., 0]
        likelihood = likelihood + _log_likelihood(inner, innovation, step, J, z, mean)
        mean = mean + step
        means.append(mean)
        covariances.append(covariance)
    return np.stack(means), np.stack(covariances), likelihood


def _log_likelihood(
    inner: Array, innovation: Array, step: Array, J: Array, z: Array, predicted: Array
) -> Reals:
    """Log-likelihood of a group under each walk, up to what is the same for all of them."""
    explained = (innovation.conj() * step).sum(-1).real
    # |r - X m|^2 in units of the noise, less the constant |r|^2.
    misfit = ((predicted.conj() @ J) * predicted).sum(-1).real - 2 * (predicted.conj() @ z).real
    return explained - misfit - np.linalg.slogdet(inner)[1]


def _smooth(times: Reals, taps: Array, covariance: Array, walk: Array) -> tuple[Array, Array]:
    """Go back from the last group: Rauch-Tung-Striebel."""
    taps, covariance = taps.copy(), covariance.copy()
    for k in range(len(times) - 2, -1, -1):
        ahead = covariance[k] + (times[k + 1] - times[k]) * walk
        gain = np.linalg.solve(ahead, covariance[k]).conj().T  # P_k P_ahead^-1, both Hermitian
        taps[k] = taps[k] + gain @ (taps[k + 1] - taps[k])
        covariance[k] = covariance[k] + gain @ (covariance[k + 1] - ahead) @ gain.conj().T
    return taps, covariance
