"""`lrisc receive`: decode a packet file, or the frames of a recording.

Modules that need torch are imported when the command runs, so that `--help` does not wait for them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from tyro.conf import arg

from lrisc_system.commands.transmission import ImageFile, PacketFile, Preset, Steps
from lrisc_system.limits import MAX_PIXELS
from lrisc_system.options import (
    Checkpoint,
    Device,
    IntegerOption,
    MaxPixels,
    NumberOption,
    PacketModel,
    Realism,
    RealismROI,
    Seed,
)
from lrisc_system.storage.shipped import SHIPPED

if TYPE_CHECKING:
    from lrisc_system.packets.packet import Packet
    from lrisc_system.radio.receiver import FoundFrame


class OnLoss(Enum):
    """What to do with a frame whose rate map arrived and whose z did not."""

    give_up = "report the frame as lost"
    prior_mean = "decode it with the prior of the likeliest z"


def receive(
    packet: PacketFile,
    image: ImageFile,
    /,
    *,
    snr_db: Annotated[
        float | None,
        arg(metavar="FLOAT", help_behavior_hint="(default: the one in the received packet)"),
    ] = None,
    frame: IntegerOption = None,
    all: bool = False,
    on_loss: OnLoss = OnLoss.give_up,
    sample_rate_hz: NumberOption = None,
    oversampling: int = 2,
    steps: Steps = None,
    realism: Realism = 0.0,
    realism_roi: RealismROI = None,
    preset: Preset = None,
    checkpoint: Checkpoint = SHIPPED,
    model: PacketModel = None,
    device: Device = None,
    seed: Seed = 0,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Decode a received packet into an image.

    Args:
        packet: Packet file from the channel, or a recording: SigMF, or raw samples in a .cf32 or
            .cs16 file. The frames of a recording are listed.
        snr_db: SNR in dB that the receiver estimated.
        frame: Decode this frame of the recording, counted from 1.
        all: Decode all frames of the recording, into IMAGE with the frame's position in its name.
        on_loss: A frame without its rate map is lost. If only z is missing, give up too, or decode
            with the mean of z's prior.
        sample_rate_hz: Sample rate of a recording of raw samples.
        oversampling: Samples per symbol of a recording, as `lrisc send` was told.
    """
    from lrisc_system.commands.models import open_model
    from lrisc_system.commands.outputs import check_output
    from lrisc_system.commands.recording_files import is_recording, list_frames, open_recording
    from lrisc_system.commands.simulation import receive_packet
    from lrisc_system.data.images import FORMATS, save_image
    from lrisc_system.devices import find_device
    from lrisc_system.limits import check_pixels
    from lrisc_system.packets.packet import read_packet
    from lrisc_system.radio.single_carrier import SingleCarrier
    from lrisc_system.realism import check_realism

    check_output(image, sources=[packet], suffixes=FORMATS)
    check_realism(realism, realism_roi)
    if not is_recording(packet):
        if frame is not None or all or sample_rate_hz is not None:
            raise ValueError(
                f"expected a recording with --frame, --all and --sample-rate-hz, got {packet}"
            )
        received = read_packet(packet, max_pixels=max_pixels)
        jobs: list[tuple[Path, Callable[[], Packet]]] = [(image, lambda: received)]
        if snr_db is None and received.snr_db is None:
            raise ValueError(f"expected --snr-db, because {packet} holds no SNR of a channel")
    else:
        recording = open_recording(packet, sample_rate_hz=sample_rate_hz)
        waveform = SingleCarrier(oversampling=oversampling)
        found = list_frames(recording, packet, waveform=waveform, console=Console())
        jobs = choose_frames(found, image, frame=frame, all_frames=all, on_loss=on_loss)
    system = open_model(model, checkpoint, device=find_device(device), expected_preset=preset)
    lost: list[str] = []
    for target, get in jobs:
        try:
            arrived = get()
            chosen_snr_db = arrived.snr_db if snr_db is None else snr_db
            assert chosen_snr_db is not None
            check_pixels(*arrived.image_size, max_pixels)
            picture = receive_packet(
                system,
                arrived,
                chosen_snr_db,
                steps=steps,
                realism=realism,
                realism_roi=realism_roi,
                seed=seed,
            )
        except ValueError as error:
            if len(jobs) == 1:
                raise
            lost.append(str(error))
            continue
        save_image(picture, target)
    if lost:
        raise ValueError(f"{len(lost)} of {len(jobs)} frames are lost: {'; '.join(lost)}")


def choose_frames(
    found: list[FoundFrame],
    image: Path,
    *,
    frame: int | None,
    all_frames: bool,
    on_loss: OnLoss,
) -> list[tuple[Path, Callable[[], Packet]]]:
    """Pair the frames to decode with the image files to write.

    Args:
        found: the frames of a recording.
        image: the file to write.
        frame: position of the frame to decode, from 1.
        all_frames: decode all.
        on_loss: see `OnLoss`.

    Raises:
        ValueError: the frame does not exist, or there are several and none is chosen.
    """
    if frame is not None and all_frames:
        raise ValueError("expected --frame or --all, got both")
    if frame is not None and not 1 <= frame <= len(found):
        raise ValueError(f"expected --frame in 1..{len(found)}, got {frame}")
    if frame is None and not all_frames and len(found) > 1:
        raise ValueError(f"expected --frame or --all for a recording of {len(found)} frames")
    without_z = on_loss is OnLoss.prior_mean

    def decode(chosen: FoundFrame) -> Callable[[], Packet]:
        return lambda: chosen.packet(without_z=without_z)

    if all_frames:
        return [
            (image.with_stem(f"{image.stem}-{position}"), decode(chosen))
            for position, chosen in enumerate(found, start=1)
        ]
    return [(image, decode(found[0 if frame is None else frame - 1]))]
