"""What a waveform offers: cells to samples, and a frame found in a recording back to cells."""

from typing import Protocol

from torch import Tensor

from lrisc_system.radio.soft_channel import Observation


class Reception(Protocol):
    """A frame found in a recording.

    Attributes:
        start: position of the frame's first sample in the recording, in samples.
        carrier_offset: in cycles per sample.
        snr_db: of a received symbol, measured on the preamble.
        gain: amplitude of the link.
    """

    @property
    def start(self) -> float: ...  # noqa: D102
    @property
    def carrier_offset(self) -> float: ...  # noqa: D102
    @property
    def snr_db(self) -> float: ...  # noqa: D102
    @property
    def gain(self) -> float: ...  # noqa: D102

    def cells(self, first: int, count: int) -> Observation:
        """Equalise cells first..first + count of the frame.

        Pilots are used as far as the last of these cells, so that a receiver reads the header
        first and learns from it how many cells follow.

        Raises:
            SyncError: the recording ends before.
        """
        ...


class Waveform(Protocol):
    """How cells become the samples of a frame, and how a receiver gets them back."""

    def modulate(self, cells: Tensor) -> Tensor:
        """Make the samples of a frame from cells `(K,)` complex of unit mean power, `(n,)`."""
        ...

    def length(self, cells: int) -> int:
        """Channel uses of a frame of so many cells."""
        ...

    def receive(self, recording: Tensor, *, first: int = 0) -> Reception:
        """Find the first frame at or after sample `first` of a recording `(n,)` complex.

        Raises:
            SyncError: there is none.
        """
        ...
