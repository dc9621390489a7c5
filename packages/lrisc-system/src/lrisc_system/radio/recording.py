"""Recordings: the samples that a radio sends or has recorded, and where frames are in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from lrisc_system.radio.frame import Frame
from lrisc_system.radio.samples import MemorySamples, SampleSource

PEAK = 0.9  # of a radio's full scale, which SigMF sets to 1
GAP = 256  # samples of silence between the frames of a recording


@dataclass(frozen=True)
class Annotation:
    """A part of a recording.

    Args:
        start: of its first sample.
        count: samples.
        label: what it is, for people.
    """

    start: int
    count: int
    label: str


@dataclass(frozen=True, eq=False)
class Recording:
    """IQ samples.

    Args:
        samples: the waveform says how many there are per symbol.
        sample_rate_hz: samples per second.
        center_frequency_hz: of the radio.
        annotations: what the recording says about its parts.
    """

    samples: SampleSource = field(repr=False)
    sample_rate_hz: float
    center_frequency_hz: float = 0.0
    annotations: tuple[Annotation, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.sample_rate_hz <= 1e12:
            raise ValueError(f"expected a sample rate above 0 Hz, got {self.sample_rate_hz:g}")
        if not abs(self.center_frequency_hz) <= 1e12:
            raise ValueError(f"expected a frequency within 1 THz, got {self.center_frequency_hz:g}")


def record_frames(
    frames: Sequence[Frame],
    *,
    sample_rate_hz: float = 1e6,
    center_frequency_hz: float = 0.0,
    after: Recording | None = None,
) -> Recording:
    """Put frames one after another for a radio to send, the largest component of each at PEAK.

    Args:
        frames: to send.
        sample_rate_hz: samples per second.
        center_frequency_hz: of the radio.
        after: a recording that the frames are appended to.

    Raises:
        ValueError: `after` has another sample rate or frequency.
    """
    pieces: list[torch.Tensor] = []
    annotations: list[Annotation] = []
    if after is not None:
        told, known = (
            (sample_rate_hz, center_frequency_hz),
            (after.sample_rate_hz, after.center_frequency_hz),
        )
        if told != known:
            raise ValueError(
                f"expected the sample rate and frequency of the recording, "
                f"{known[0]:g} and {known[1]:g} Hz, got {told[0]:g} and {told[1]:g} Hz"
            )
        pieces = [after.samples.read(0, len(after.samples))]
        annotations = list(after.annotations)
    for frame in frames:
        if pieces:
            pieces.append(torch.zeros(GAP, dtype=torch.complex64))
        samples = frame.samples()
        height, width = frame.header.image_size
        annotations.append(
            Annotation(
                start=sum(map(len, pieces)),
                count=len(samples),
                label=(
                    f"LRISC frame number {frame.header.frame_number}, {width} x {height}, "
                    f"oversampling {frame.waveform.oversampling}"
                ),
            )
        )
        pieces.append(samples * (PEAK / torch.view_as_real(samples).abs().max()))
    return Recording(
        samples=MemorySamples(torch.cat(pieces)),
        sample_rate_hz=sample_rate_hz,
        center_frequency_hz=center_frequency_hz,
        annotations=tuple(annotations),
    )
