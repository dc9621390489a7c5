"""Find all frames in a recording, of any length, and tell which of them can be decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lrisc_system.packets.packet import Packet
from lrisc_system.radio.detection import SyncError
from lrisc_system.radio.header import Header, HeaderError
from lrisc_system.radio.received_frame import FrameLostError, ReceivedFrame, read_header
from lrisc_system.radio.samples import SampleSource
from lrisc_system.radio.single_carrier import SingleCarrier
from lrisc_system.radio.waveform import Waveform

PIECE = 1 << 20  # samples that are searched at a time
GUARD = 1024  # channel uses around a frame that its equaliser may use
LONGEST_HEADER = 4096  # channel uses from the start of a frame that certainly hold its header
RETRY = 64  # channel uses behind what is no frame; there the search goes on
CLIPPED = 0.01  # of the components at the largest value: the radio's gain was too high
NOISELESS_SNR_DB = 50.0  # above it a recording comes from a program, whose values may repeat


@dataclass(frozen=True, eq=False)
class FoundFrame:
    """A frame of a recording.

    Attributes:
        start: in samples from the first one of the recording.
        length: in samples.
        frame: as it was received.
        problem: why it cannot be decoded, one line; none if nothing is known to be wrong.
    """

    start: float
    length: int
    frame: ReceivedFrame = field(repr=False)
    problem: str | None = None

    @property
    def header(self) -> Header:
        """What the frame's header says."""
        return self.frame.header

    def packet(self, *, without_z: bool = False) -> Packet:
        """Decode the packet; see `ReceivedFrame.packet`.

        Raises:
            FrameLostError: the frame has a problem, or its side information does not decode.
        """
        if self.problem is not None:
            raise FrameLostError(f"frame number {self.header.frame_number} {self.problem}")
        return self.frame.packet(without_z=without_z)


def find_frames(samples: SampleSource, *, waveform: Waveform | None = None) -> Iterator[FoundFrame]:
    """Find the frames of a recording in their order.

    The recording is read in pieces. What looks like a preamble but is followed by no header that
    checks is passed over.

    Args:
        samples: of the recording.
        waveform: the single carrier by default.

    Raises:
        ValueError: the recording holds samples that are not finite.
    """
    return _Search(samples, SingleCarrier() if waveform is None else waveform).frames()


@dataclass(frozen=True, eq=False)
class _Search:
    """A search for frames.

    Args:
        samples: of the recording.
        waveform: of the frames.
    """

    samples: SampleSource
    waveform: Waveform

    def frames(self) -> Iterator[FoundFrame]:
        """Find the frames one after another."""
        longest_header = LONGEST_HEADER * self.waveform.oversampling
        position = 0  # of the piece
        skipped = 0  # samples of the piece that are done with
        while position + skipped < len(self.samples):
            piece = self.samples.read(position, PIECE)
            is_last = position + len(piece) >= len(self.samples)
            try:
                reception = self.waveform.receive(piece, first=skipped)
            except SyncError:
                if is_last:
                    return
                position, skipped = position + PIECE - longest_header, 0
                continue
            start = math.floor(reception.start)
            if start + longest_header > len(piece) and not is_last:
                position, skipped = self._with_guard(position + start)
                continue
            try:
                frame = read_header(reception)
            except (HeaderError, SyncError):
                skipped = max(start, skipped) + RETRY * self.waveform.oversampling
                continue
            found = self._whole_frame(position + start, frame)
            yield found
            position, skipped = self._with_guard(math.floor(found.start) + found.length)

    def _with_guard(self, start: int) -> tuple[int, int]:
        """Where a piece begins whose first new sample is `start`, and how many of it are old."""
        position = max(start - GUARD * self.waveform.oversampling, 0)
        return position, start - position

    def _whole_frame(self, start: int, frame: ReceivedFrame) -> FoundFrame:
        """Read all of a frame that begins about a sample, and look for problems."""
        oversampling = self.waveform.oversampling
        length = self.waveform.length(frame.cells) * oversampling
        position, guard = self._with_guard(start)
        piece = self.samples.read(position, guard + length + GUARD * oversampling)
        # A sample early: the fraction of a sample may have been rounded up.
        reception = self.waveform.receive(piece, first=max(guard - 1, 0))
        return FoundFrame(
            start=position + reception.start,
            length=length,
            frame=ReceivedFrame(frame.header, frame.header_format, reception),
            problem=self._problem(piece[guard:], length, reception.snr_db),
        )

    def _problem(self, samples: Tensor, length: int, snr_db: float) -> str | None:
        """Tell what is wrong with a frame of so many samples, from them and some after them."""
        missing = length - len(samples)
        if missing > 0:
            return f"is cut: the recording ends {missing} samples before it does"
        components = torch.view_as_real(samples[:length]).abs().flatten()
        at_peak = float((components >= 0.9999 * components.max()).float().mean())
        if at_peak > CLIPPED and snr_db < NOISELESS_SNR_DB:
            return (
                f"is clipped: {at_peak:.0%} of its components have the largest value; "
                "record with a lower gain"
            )
        preamble = self.waveform.length(0) * self.waveform.oversampling
        try:
            other = self.waveform.receive(samples[: length + preamble - 1], first=preamble)
        except SyncError:
            return None
        if other.start > length - self.waveform.oversampling:
            return None
        return f"overlaps another frame, which begins {other.start:.0f} samples after it"
