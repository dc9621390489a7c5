"""The single-carrier waveform: one sample per symbol, a preamble and pilots of `framing`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lrisc_system.radio.detection import SyncError, find_preamble
from lrisc_system.radio.estimation import (
    GUARD,
    cut_frame,
    refine_start,
    residual_offset,
    track_gain,
)
from lrisc_system.radio.framing import (
    PILOT_SPACING,
    PREAMBLE_LENGTH,
    FrameLayout,
    build_frame,
    frame_layout,
)
from lrisc_system.radio.soft_channel import Observation
from lrisc_system.radio.waveforms import fractional_delay, shift_frequency

SEARCH = 16384  # samples that are searched for a preamble at a time


@dataclass(frozen=True)
class SingleCarrier:
    """One sample per symbol, a preamble, and a pilot after every 31 cells."""

    def modulate(self, cells: Tensor) -> Tensor:
        """Put preamble and pilots around cells: (K,) complex -> (n,) complex64."""
        return build_frame(cells)

    def length(self, cells: int) -> int:
        """Samples of a frame of so many cells."""
        return frame_layout(cells).length

    def receive(self, recording: Tensor, *, first: int = 0) -> SingleCarrierReception:
        """Find the first frame at or after the sample `first` of a recording (n,) complex.

        Raises:
            SyncError: there is none.
        """
        last = len(recording) - PREAMBLE_LENGTH
        message = f"no preamble found from sample {first} on"
        for begin in range(first, max(last, first) + 1, SEARCH):
            found: tuple[int, float] | None = None
            end = min(begin + SEARCH + PREAMBLE_LENGTH - 1, len(recording))
            try:
                while True:  # the strongest, then the strongest that ends before it
                    start, offset = find_preamble(recording[begin:end])
                    found = begin + start, offset
                    end = begin + start
            except SyncError as error:
                message = str(error)
            if found is not None:
                return SingleCarrierReception(recording, *found)
        raise SyncError(message)


@dataclass(frozen=True, eq=False)
class SingleCarrierReception:
    """A frame of one sample per symbol, found by its preamble; see `Reception`."""

    recording: Tensor = field(repr=False)
    coarse_start: int
    coarse_offset: float
    start: float = field(init=False)
    carrier_offset: float = field(init=False)
    snr_db: float = field(init=False)
    gain: float = field(init=False)

    def __post_init__(self) -> None:
        _, snr_db, start, offset, gain = self._equalise(0)
        values = {"snr_db": snr_db, "start": start, "carrier_offset": offset, "gain": gain}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def cells(self, first: int, count: int) -> Observation:
        """Equalise the cells `first` to `first + count` of the frame."""
        symbols, snr_db, *_ = self._equalise(first + count)
        noise_power = torch.full((count,), 10 ** (-snr_db / 10))
        return Observation(symbols[first:].to(torch.complex64), noise_power)

    def _equalise(self, cells: int) -> tuple[Tensor, float, float, float, float]:
        """Equalise the frame up to so many cells: they, SNR, start, offset and gain."""
        layout = _layout_up_to(cells)
        missing = self.coarse_start + layout.length - len(self.recording)
        if missing > 0:
            raise SyncError(f"the recording ends {missing} samples before the frame does")
        preamble = cut_frame(self.recording, self.coarse_start, PREAMBLE_LENGTH)
        fraction, offset = refine_start(preamble, self.coarse_offset)
        samples = cut_frame(self.recording, self.coarse_start, layout.length)
        samples = fractional_delay(shift_frequency(samples, -offset), -fraction)
        samples = samples[GUARD : GUARD + layout.length]
        residual = residual_offset(samples, layout)
        samples = shift_frequency(samples, -residual)
        gain, averaged = track_gain(samples, layout)
        equalised = samples / gain
        error = (equalised - layout.known)[layout.is_known].abs().square()
        # The average over m known samples fits their noise too and leaves 1 - 1/m of it.
        noise_power = error.sum() / (1 - 1 / averaged[layout.is_known]).sum()
        return (
            equalised[~layout.is_known],
            -10 * math.log10(max(float(noise_power), 1e-30)),
            self.coarse_start + fraction,
            offset + residual,
            float(gain.abs().mean()),
        )


def _layout_up_to(cells: int) -> FrameLayout:
    """Lay out the frame up to so many cells, whether or not more of them follow."""
    whole = frame_layout(cells)
    if cells % (PILOT_SPACING - 1) == 0:
        return whole
    # The last pilot stands here only if the frame ends here.
    return FrameLayout(is_known=whole.is_known[:-1], known=whole.known[:-1])
