"""Find all frames in a recording, of any length, and tell which of them can be decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

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
        first = 0  # all frames before this sample are found
        while first < len(self.samples):
            position, _ = self._with_guard(first)
            piece = self.samples.read(position, PIECE)
            end = position + len(piece)
            is_last = end >= len(self.samples)
            while True:
                try:
                    reception = self.waveform.receive(piece, first=first - position)
                except SyncError:
                    first = len(self.samples) if is_last else max(first, end - longest_header)
                    break
                start = position + math.floor(reception.start)
                if start + longest_header > end and not is_last:
                    first = start
                    break
                try:
                    frame = read_header(reception)
                except (HeaderError, SyncError):
                    first = max(start, first) + RETRY * self.waveform.oversampling
                    continue
                found = self._found(position, piece, frame)
                yield found
                first = math.floor(found.start) + found.length
                if first >= end:
                    break

    def _found(self, position: int, piece: Tensor, frame: ReceivedFrame) -> FoundFrame:
        """Describe a frame that begins in a piece of the recording."""
        length = self._length(frame)
        start = position + math.floor(frame.reception.start)
        if position + len(piece) < min(start + length, len(self.samples)):
            position, guard = self._with_guard(start)
            piece = self.samples.read(position, 2 * guard + length)
            # A sample early: the fraction of a sample may have been rounded up.
            reception = self.waveform.receive(piece, first=max(guard - 1, 0))
            frame = replace(frame, reception=reception)
        return FoundFrame(
            start=position + frame.reception.start,
            length=length,
            frame=frame,
            problem=self._problem(frame, piece),
        )

    def _length(self, frame: ReceivedFrame) -> int:
        """Samples of a frame."""
        return self.waveform.length(frame.cells) * self.waveform.oversampling

    def _with_guard(self, start: int) -> tuple[int, int]:
        """Where to read from for what begins at `start`, and how many samples lie before it."""
        position = max(start - GUARD * self.waveform.oversampling, 0)
        return position, start - position

    def _problem(self, frame: ReceivedFrame, piece: Tensor) -> str | None:
        """Tell what is wrong with a frame, from a piece that holds it and some samples after it."""
        length = self._length(frame)
        samples = piece[max(math.floor(frame.reception.start), 0) :]
        missing = length - len(samples)
        if missing > 0:
            return f"is cut: the recording ends {missing} samples before it does"
        components = torch.view_as_real(samples[:length]).abs().flatten()
        at_peak = float((components >= 0.9999 * components.max()).float().mean())
        if at_peak > CLIPPED and frame.reception.snr_db < NOISELESS_SNR_DB:
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
