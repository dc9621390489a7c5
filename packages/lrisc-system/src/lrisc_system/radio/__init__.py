"""The modem: frames, waveforms, recordings, codes and impairments.

    frame = Frame.from_packet(packet, snr_db)
    write_sigmf(record_frames([frame], sample_rate_hz=1e6), "sent")
    for found in find_frames(read_sigmf("received").samples):
        image = system.receive(found.packet(), found.frame.snr_db)

Every name is imported when it is first used, so that the command line need not wait for torch.
"""

from typing import TYPE_CHECKING

from lrisc_system.lazy import lazy_names

if TYPE_CHECKING:
    from lrisc_system.radio.detection import SyncError
    from lrisc_system.radio.frame import Frame, frame_uses
    from lrisc_system.radio.header import Header, HeaderError
    from lrisc_system.radio.impairments import RadioLink
    from lrisc_system.radio.received_frame import FrameLostError, ReceivedFrame
    from lrisc_system.radio.receiver import FoundFrame, find_frames
    from lrisc_system.radio.recording import Annotation, Recording, record_frames
    from lrisc_system.radio.samples import MemorySamples, RawSamples, SampleSource
    from lrisc_system.radio.sigmf import read_sigmf, write_sigmf
    from lrisc_system.radio.single_carrier import SingleCarrier
    from lrisc_system.radio.soft_channel import Observation
    from lrisc_system.radio.thresholds import UnreachableError
    from lrisc_system.radio.waveform import Reception, Waveform

__all__ = [
    "Annotation",
    "FoundFrame",
    "Frame",
    "FrameLostError",
    "Header",
    "HeaderError",
    "MemorySamples",
    "Observation",
    "RadioLink",
    "RawSamples",
    "ReceivedFrame",
    "Reception",
    "Recording",
    "SampleSource",
    "SingleCarrier",
    "SyncError",
    "UnreachableError",
    "Waveform",
    "find_frames",
    "frame_uses",
    "read_sigmf",
    "record_frames",
    "write_sigmf",
]

__getattr__ = lazy_names(
    __name__,
    {
        "lrisc_system.radio.detection": ("SyncError",),
        "lrisc_system.radio.frame": ("Frame", "frame_uses"),
        "lrisc_system.radio.header": ("Header", "HeaderError"),
        "lrisc_system.radio.impairments": ("RadioLink",),
        "lrisc_system.radio.received_frame": ("FrameLostError", "ReceivedFrame"),
        "lrisc_system.radio.receiver": ("FoundFrame", "find_frames"),
        "lrisc_system.radio.recording": ("Annotation", "Recording", "record_frames"),
        "lrisc_system.radio.samples": ("MemorySamples", "RawSamples", "SampleSource"),
        "lrisc_system.radio.sigmf": ("read_sigmf", "write_sigmf"),
        "lrisc_system.radio.single_carrier": ("SingleCarrier",),
        "lrisc_system.radio.soft_channel": ("Observation",),
        "lrisc_system.radio.thresholds": ("UnreachableError",),
        "lrisc_system.radio.waveform": ("Reception", "Waveform"),
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
