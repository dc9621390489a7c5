"""`lrisc send`, `channel` and `transmit`: one image over a simulated or a real link.

Modules that need torch are imported when a command runs, so that `--help` does not wait for them.
"""

from __future__ import annotations

import math
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from tyro.conf import Positional, arg

from lrisc_system.limits import MAX_PIXELS
from lrisc_system.options import (
    AS_BANDWIDTH,
    Checkpoint,
    Device,
    MaxPixels,
    NumberOption,
    PacketModel,
    Realism,
    RealismROI,
    Seed,
)
from lrisc_system.radio.fading import Fading
from lrisc_system.storage.shipped import SHIPPED

PhotoFile = Annotated[
    Positional[Path], arg(metavar="PHOTO", help="Image file to send.", help_behavior_hint="")
]
ImageFile = Annotated[
    Positional[Path],
    arg(
        metavar="IMAGE",
        help="Image file to write; its suffix decides the format.",
        help_behavior_hint="",
    ),
]
PacketFile = Annotated[Positional[Path], arg(metavar="PACKET", help_behavior_hint="")]
SNR = Annotated[float, arg(help="SNR of the channel in dB.")]
Eta = Annotated[
    float | None,
    arg(
        help="Real numbers to send per bit of information, Eq. (6).",
        metavar="FLOAT",
        help_behavior_hint="(default: the model's)",
    ),
]
CBR = Annotated[
    float | None,
    AS_BANDWIDTH,
    arg(
        help="Largest CBR, side information included; replaces --eta.",
        metavar="CBR",
        help_behavior_hint="",
    ),
]
Alpha = Annotated[
    float | None,
    arg(
        help="Weight of the background in [0, 1], Eq. (3); 1 switches the ROI off.",
        metavar="FLOAT",
        help_behavior_hint="(default: the model's)",
    ),
]
Mask = Annotated[
    Path | None,
    arg(
        help="Saliency map of the photo, an image file.",
        metavar="FILE",
        help_behavior_hint="(default: the model's detector makes it)",
    ),
]
FadingOption = Annotated[
    Fading,
    arg(help="Add Rayleigh fading to AWGN: none, one fade per image (block) or per symbol (fast)."),
]
Steps = Annotated[
    int | None,
    arg(help="Diffusion steps.", metavar="INT", help_behavior_hint="(default: the model's)"),
]
Constellation = Annotated[
    Literal[16, 64, 256] | None, arg(metavar="{16,64,256}", help_behavior_hint="")
]
Preset = Annotated[
    str | None,
    arg(help="Refuse a model of any other preset.", metavar="NAME", help_behavior_hint=""),
]


class Format(Enum):
    """What a sender writes."""

    packet = "a packet file"
    sigmf = "an IQ recording with metadata"
    raw = "an IQ recording of samples alone"


def send(
    photo: PhotoFile,
    packet: PacketFile,
    /,
    *,
    snr_db: SNR = 10.0,
    eta: Eta = None,
    cbr: CBR = None,
    alpha: Alpha = None,
    mask: Mask = None,
    format: Format = Format.packet,
    margin_db: Annotated[float, arg(metavar="DB")] = 0.0,
    oversampling: int = 2,
    constellation: Constellation = None,
    max_papr_db: NumberOption = None,
    append: bool = False,
    sample_rate_hz: float = 1e6,
    center_frequency_hz: float = 0.0,
    preset: Preset = None,
    checkpoint: Checkpoint = SHIPPED,
    model: PacketModel = None,
    device: Device = None,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Encode a photo into a packet of channel symbols.

    Args:
        packet: Write the packet to this file.
        format: Write a packet file, or a recording for a radio: SigMF, or raw samples in a .cf32
            or .cs16 file. A recording holds the whole frame, and --cbr bounds all of it.
        margin_db: What the channel may be worse than --snr-db before side information is lost; of
            a recording.
        oversampling: Samples per symbol of the recording, from 1 to 8.
        constellation: Send no more than so many different image symbols, for digital radios.
        max_papr_db: Clip the peaks of the recording to so much above its mean power.
        append: Append the frame to the recording, if it exists.
        sample_rate_hz: Sample rate of the recording.
        center_frequency_hz: Frequency of the radio that will play the recording.
    """
    from lrisc_system.commands.models import open_model
    from lrisc_system.commands.outputs import check_output
    from lrisc_system.commands.packet_files import write_sent
    from lrisc_system.commands.recording_files import Recorder
    from lrisc_system.commands.simulation import load_source, send_source
    from lrisc_system.devices import find_device
    from lrisc_system.radio.single_carrier import SingleCarrier

    check_output(packet, sources=[photo, mask])
    recorder = None
    if format is not Format.packet:
        recorder = Recorder(
            packet,
            raw=format is Format.raw,
            snr_db=snr_db,
            margin_db=margin_db,
            waveform=SingleCarrier(oversampling=oversampling),
            constellation=constellation,
            max_papr_db=math.inf if max_papr_db is None else max_papr_db,
            append=append,
            sample_rate_hz=sample_rate_hz,
            center_frequency_hz=center_frequency_hz,
        )
    elif append or constellation is not None or max_papr_db is not None:
        raise ValueError(
            "expected --append, --constellation and --max-papr-db only with a recording, "
            "got one with a packet file"
        )
    source = load_source(photo, mask, max_pixels=max_pixels)
    system = open_model(model, checkpoint, device=find_device(device), expected_preset=preset)
    sent = send_source(
        system,
        source,
        snr_db=snr_db,
        eta=eta,
        cbr=cbr,
        alpha=alpha,
        channel_uses=None if recorder is None else recorder.channel_uses,
    )
    if recorder is None:
        write_sent(sent, packet, snr_db=snr_db, console=Console())
    else:
        recorder.write(sent, console=Console())


def channel(
    sent: PacketFile,
    received: PacketFile,
    /,
    *,
    snr_db: SNR = 10.0,
    fading: FadingOption = Fading.none,
    seed: Seed = 0,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Send a packet through a simulated channel.

    Args:
        sent: Packet file that `lrisc send` wrote.
        received: Write the received packet to this file.
    """
    from lrisc_system.commands.outputs import check_output
    from lrisc_system.commands.simulation import cross
    from lrisc_system.packets.packet import read_packet, write_packet

    check_output(received, sources=[sent])
    packet = read_packet(sent, max_pixels=max_pixels)
    write_packet(cross(packet, snr_db, fading=fading, seed=seed), received)


def transmit(
    photo: PhotoFile,
    image: ImageFile,
    /,
    *,
    snr_db: SNR = 10.0,
    eta: Eta = None,
    cbr: CBR = None,
    alpha: Alpha = None,
    mask: Mask = None,
    fading: FadingOption = Fading.none,
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
    """Send a photo over a simulated channel.

    This is `lrisc send`, `channel` and `receive` in one, with a table of cost and quality.
    """
    from lrisc_system.commands.models import open_model
    from lrisc_system.commands.outputs import check_output
    from lrisc_system.commands.simulation import (
        cross,
        load_source,
        receive_packet,
        send_source,
    )
    from lrisc_system.commands.tables import Result, metrics_table
    from lrisc_system.data.images import FORMATS, save_image
    from lrisc_system.devices import find_device
    from lrisc_system.metrics.quality import evaluate_pair
    from lrisc_system.realism import check_realism

    check_realism(realism, realism_roi)
    check_output(image, sources=[photo, mask], suffixes=FORMATS)
    source = load_source(photo, mask, max_pixels=max_pixels)
    system = open_model(model, checkpoint, device=find_device(device), expected_preset=preset)
    packet = send_source(system, source, snr_db=snr_db, eta=eta, cbr=cbr, alpha=alpha)
    arrived = cross(packet, snr_db, fading=fading, seed=seed)
    received = receive_packet(
        system,
        arrived,
        snr_db,
        steps=steps,
        realism=realism,
        realism_roi=realism_roi,
        seed=seed,
    )
    save_image(received, image)
    metrics = evaluate_pair(source.image, received)
    Console().print(metrics_table([Result(snr_db, packet.cbr(snr_db), metrics, received)]))
