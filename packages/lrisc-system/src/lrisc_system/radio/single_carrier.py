"""The single-carrier waveform: one cell, pilot or preamble symbol after the other.

recording -> first preamble -> start and carrier offset refined -> paths
          -> sampled once per symbol, as far as cells are asked for
          -> carrier offset and drift refined over ever more pilots -> IQ imbalance and DC undone
          -> paths followed along the pilots -> equalised cells, noise power of each
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lrisc_system.radio.detection import MAX_CARRIER_OFFSET, SyncError, find_preamble
from lrisc_system.radio.equalization import equalize
from lrisc_system.radio.estimation import (
    Paths,
    fit_paths,
    refine_clock,
    residual_delay,
    residual_offset,
    track_gain,
)
from lrisc_system.radio.framing import PREAMBLE_LENGTH, FrameLayout
from lrisc_system.radio.front_end import FrontEnd, measure_front_end
from lrisc_system.radio.known_symbols import MARGIN, KnownSymbols
from lrisc_system.radio.resampling import SymbolClock, root_raised_cosine
from lrisc_system.radio.soft_channel import Observation
from lrisc_system.radio.tracking import Array, Reals, TapTrack, track_taps

LOWEST_SNR_DB = -9.0  # on the preamble; below it a lock is none
RAMP = 8  # symbols of an oversampled frame before its first and behind its last pulse's peak
SEARCH = 15872  # symbols that are resampled at a time; with the overlap, a block of `detection`
_FIRST_RUNS = 8  # runs of pilots that the carrier offset and the drift are first measured on


@dataclass(frozen=True)
class SingleCarrier:
    """Single carrier with preamble and pilots.

    Args:
        layout: where the pilots stand.
        oversampling: samples per symbol, 1..8. At 1 the samples are the symbols; above, the pulses
            are root-raised-cosine.
        rolloff: of the pulses, in 0..1.
        max_carrier_offset: largest one to look for, in cycles per sample, 0..0.1.
    """

    layout: FrameLayout = field(default_factory=FrameLayout)
    oversampling: int = 1
    rolloff: float = 0.25
    max_carrier_offset: float = MAX_CARRIER_OFFSET

    def __post_init__(self) -> None:
        if not 1 <= self.oversampling <= 8:
            raise ValueError(f"expected 1 to 8 samples per symbol, got {self.oversampling}")
        if not 0 <= self.rolloff <= 1:
            raise ValueError(f"expected a roll-off in 0..1, got {self.rolloff}")
        if not 0 <= self.max_carrier_offset <= MAX_CARRIER_OFFSET:
            raise ValueError(
                f"expected a largest carrier offset in 0..{MAX_CARRIER_OFFSET} cycles per sample, "
                f"got {self.max_carrier_offset}"
            )

    @property
    def ramp(self) -> int:
        """Symbols that the pulses need at either end of the frame."""
        return RAMP if self.oversampling > 1 else 0

    def length(self, cells: int) -> int:
        """Channel uses of a frame of so many cells: its duration in symbols."""
        return self.layout.length(cells) + 2 * self.ramp

    def modulate(self, cells: Tensor) -> Tensor:
        """Make the samples of a frame, `(oversampling * length,)` complex64 of unit mean power."""
        symbols = torch.nn.functional.pad(self.layout.build(cells), (self.ramp, self.ramp))
        if self.oversampling == 1:
            return symbols.to(torch.complex64)
        factor = self.oversampling
        spectrum = torch.fft.fft(symbols).repeat(factor)
        frequency = torch.fft.fftfreq(len(spectrum), dtype=torch.float64) * factor
        pulses = root_raised_cosine(frequency, rolloff=self.rolloff) * factor
        return torch.fft.ifft(spectrum * pulses).to(torch.complex64)

    def receive(self, recording: Tensor, *, first: int = 0) -> "SingleCarrierReception":
        """Find the first frame at or after sample `first` of a recording `(n,)` complex.

        Raises:
            SyncError: there is none, or its SNR is below LOWEST_SNR_DB.
            ValueError: the recording is not a row of finite complex numbers.
        """
        if recording.ndim != 1 or not recording.is_complex():
            got = f"{tuple(recording.shape)} {recording.dtype}"
            raise ValueError(f"expected a recording (n,) of complex samples, got {got}")
        if not torch.isfinite(torch.view_as_real(recording)).all():
            raise ValueError("expected a recording of finite samples, got NaN or infinity")
        known, weak_db = KnownSymbols.of(self.layout, 0), -math.inf
        while True:
            try:
                clock = refine_clock(recording, self._find(recording, first))
            except SyncError:
                if weak_db > -math.inf:
                    raise SyncError(
                        f"no frame found: expected an SNR of at least {LOWEST_SNR_DB:g} dB, "
                        f"the strongest candidate has {weak_db:.1f} dB"
                    ) from None
                raise
            samples = _sample(recording, clock, PREAMBLE_LENGTH)
            # Weaker paths may be what is left of a delay, which is refined later.
            paths = fit_paths(known, samples, np.ones(len(known.times)), weakest=0.03)
            if paths.snr_db >= LOWEST_SNR_DB:
                return SingleCarrierReception(self, recording, clock, paths)
            weak_db = max(weak_db, paths.snr_db)
            first = max(first, round(clock.start)) + PREAMBLE_LENGTH * self.oversampling // 2

    def _find(self, recording: Tensor, first: int) -> SymbolClock:
        """Find the first preamble, coarsely."""
        factor = self.oversampling
        limit = self.max_carrier_offset * factor  # cycles per symbol
        if factor == 1:
            found = find_preamble(recording, first=first, max_carrier_offset=limit)
            return SymbolClock(found.start, found.carrier_offset)
        overlap = (PREAMBLE_LENGTH + RAMP) * factor
        error: SyncError | None = None
        for begin in range(first, max(len(recording) - overlap, first) + 1, SEARCH * factor):
            count = min(SEARCH * factor + overlap, len(recording) - begin) // factor
            try:
                return self._find_among(recording, begin, count)
            except SyncError as missing:
                error = missing
        raise error or SyncError("no frame found in no samples")

    def _find_among(self, recording: Tensor, begin: int, count: int) -> SymbolClock:
        """Find the first preamble in so many symbols of an oversampled recording, coarsely."""
        # The matched filter passes the frame only near its carrier: several are tried.
        factor = self.oversampling
        limit = self.max_carrier_offset * factor  # cycles per symbol
        steps = max(math.ceil((limit - MAX_CARRIER_OFFSET) / (2 * MAX_CARRIER_OFFSET)), 0)
        candidates, errors = [], []
        for carrier in 2 * MAX_CARRIER_OFFSET * np.arange(-steps, steps + 1) / factor:
            tuned = SymbolClock(begin, float(carrier), 0.0, factor, self.rolloff)
            try:
                found = find_preamble(
                    tuned.sample(recording, 0, max(count, 0)),
                    max_carrier_offset=min(limit, MAX_CARRIER_OFFSET),
                )
            except SyncError as error:
                errors.append(error)
            else:
                clock = tuned.moved(delay=found.start, offset=found.carrier_offset)
                candidates.append((clock, found.correlation))
        if not candidates:
            raise errors[len(errors) // 2]
        # One frame shows at several carriers; it is strongest at its own.
        earliest = min(clock.start for clock, _ in candidates)
        same = [
            (correlation, clock)
            for clock, correlation in candidates
            if clock.start < earliest + 2 * PREAMBLE_LENGTH * factor
        ]
        return max(same, key=lambda candidate: candidate[0])[1]


@dataclass(frozen=True, eq=False)
class SingleCarrierReception:
    """A frame found in a recording; `cells` follows it along its pilots.

    Attributes:
        waveform: of the frame.
        recording: `(n,)` complex.
        clock: start of symbol 0 and carrier offset, from the preamble.
        paths: of the channel, from the preamble.
    """

    waveform: SingleCarrier
    recording: Tensor = field(repr=False)
    clock: SymbolClock
    paths: Paths

    @property
    def start(self) -> float:
        """Position of the frame's first sample in the recording."""
        return self.clock.position(-self.waveform.ramp)

    @property
    def carrier_offset(self) -> float:
        """In cycles per sample."""
        return self.clock.carrier_offset

    @property
    def snr_db(self) -> float:
        """Of a received symbol, all paths together."""
        return self.paths.snr_db

    @property
    def gain(self) -> float:
        """Amplitude of the link, all paths together."""
        return float(np.linalg.norm(self.paths.taps))

    def cells(self, first: int, count: int) -> Observation:
        """Equalise cells first..first + count, with the pilots before the last of them.

        Raises:
            SyncError: the recording ends before.
            ValueError: a negative number.
        """
        if first < 0 or count < 0:
            raise ValueError(f"expected first and count >= 0, got {first} and {count}")
        layout, total = self.waveform.layout, first + count
        length = layout.length(total)
        missing = round(self.clock.position(length - 1)) - len(self.recording) + 1
        if missing > 0:
            raise SyncError(f"the recording ends {missing} samples before the frame does")
        known = KnownSymbols.of(layout, total)
        clock = self._refine(total)
        samples = _sample(self.recording, clock, length)
        track, paths = _track(known, samples, self.paths)
        front_end = measure_front_end(known, samples, track, paths, clock)
        if front_end != FrontEnd():
            samples = _sample(front_end.undo(self.recording), clock, length)
            track, paths = _track(known, samples, paths)
        symbols, noise_power = equalize(samples, track, paths.delays, paths.noise_power)
        positions = layout.cell_positions(first, count).numpy()
        return Observation(
            symbols=torch.from_numpy(symbols[positions]).to(torch.complex64),
            noise_power=torch.from_numpy(noise_power[positions]).float(),
        )

    def _refine(self, cells: int) -> SymbolClock:
        """Refine carrier offset, start and drift over ever more pilots."""
        layout, clock, reach = self.waveform.layout, self.clock, PREAMBLE_LENGTH**-1.5
        for part in (*_doublings(layout.run * _FIRST_RUNS, cells), cells):
            known = KnownSymbols.of(layout, part)
            samples = _sample(self.recording, clock, layout.length(part))
            offset = residual_offset(known, samples, self.paths, reach=reach)
            times = np.arange(-MARGIN, len(samples) - MARGIN)
            samples = samples * np.exp(-2j * np.pi * offset * times)
            gains = track_gain(known, samples, self.paths)
            delay, drift = residual_delay(known, samples, self.paths, gains)
            clock = clock.moved(offset=offset, delay=delay, drift=drift)
            reach = 1 / known.times[-1]
        return clock


def _doublings(first: int, last: int) -> list[int]:
    """`first`, twice as many, ... below `last`, and `last`."""
    doublings = [last]
    while first < last:
        doublings.insert(-1, first)
        first *= 2
    return doublings


def _sample(recording: Tensor, clock: SymbolClock, length: int) -> Array:
    """Sample a frame, MARGIN symbols before and behind it included."""
    return clock.sample(recording, -MARGIN, length + 2 * MARGIN).numpy().astype(complex)


def _track(known: KnownSymbols, samples: Array, paths: Paths) -> tuple[TapTrack, Paths]:
    """Follow the paths that stand out over the whole frame."""
    gains = track_gain(known, samples, paths)
    kept, before = paths.delays, paths.taps
    paths = fit_paths(known, samples, gains, keep=kept.tolist())
    energy: Reals = np.square(np.abs(paths.taps)).astype(np.float64)
    stays = np.isin(paths.delays, kept)
    energy[stays] = np.maximum(energy[stays], np.abs(before) ** 2)
    X = known.behind(paths.delays)
    noise = known.noise(paths.delays, paths.taps, paths.noise_power)
    groups = known.groups(X, known.received(samples), noise)
    return track_taps(groups, paths.taps, energy), paths
