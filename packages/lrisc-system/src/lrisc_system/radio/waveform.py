"""What carries the cells of a frame over a radio link, and what a receiver makes of a recording.

A cell is one complex symbol of header, side information or JSCC. A waveform puts cells, preamble
and pilots into samples, and finds them again.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from lrisc_system.radio.soft_channel import Observation


class Reception(Protocol):
    """A frame that was found in a recording."""

    @property
    def start(self) -> float:
        """Where the frame begins, in samples from the first one of the recording."""
        ...

    @property
    def carrier_offset(self) -> float:
        """Carrier offset in cycles per sample."""
        ...

    @property
    def snr_db(self) -> float:
        """SNR of a received symbol in dB, measured on the preamble."""
        ...

    @property
    def gain(self) -> float:
        """Amplitude of the link."""
        ...

    def cells(self, first: int, count: int) -> Observation:
        """Equalise the cells `first` to `first + count` of the frame.

        Pilots are used as far as the last of these cells, so that a receiver reads the header
        first and learns from it how many cells follow.

        Raises:
            SyncError: the recording ends before them.
        """
        ...


class Waveform(Protocol):
    """A way to send cells. `SingleCarrier` is one."""

    @property
    def oversampling(self) -> int:
        """Samples per channel use."""
        ...

    def modulate(self, cells: Tensor) -> Tensor:
        """Put preamble and pilots around cells of unit power: (K,) complex -> (n,) complex64.

        There are `oversampling * length(K)` samples of unit mean power.
        """
        ...

    def length(self, cells: int) -> int:
        """Channel uses of a frame of so many cells."""
        ...

    def receive(self, recording: Tensor, *, first: int = 0) -> Reception:
        """Find the first frame at or after the sample `first` of a recording (n,) complex.

        Raises:
            SyncError: there is none.
        """
        ...
