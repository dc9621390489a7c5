"""Send images over noisy links: `lrisc COMMAND --help` explains each command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console
from torch import Generator, Tensor
from tyro.conf import Positional, arg

from jscc_ratetoken import Channel
from lrisc_system.commands.demo import run_demo
from lrisc_system.commands.models import describe_models, find_model, open_link, open_model
from lrisc_system.commands.tables import Result, metrics_table
from lrisc_system.data.images import load_image, load_mask, save_image
from lrisc_system.evaluation import EvaluateSettings, evaluate
from lrisc_system.link import cross_channel
from lrisc_system.metrics.quality import evaluate_pair
from lrisc_system.packets.packet import Packet, read_packet, write_packet
from lrisc_system.radio.fading import Fading
from lrisc_system.radio.recording import Recording, record_packet, recover_packet
from lrisc_system.radio.sigmf import SIGMF_SUFFIXES, read_sigmf, write_sigmf
from lrisc_system.storage.checkpoint import SHIPPED, load_model, save_model
from lrisc_system.storage.model_soup import average_models
from lrisc_system.storage.tensors import CheckpointError
from lrisc_system.system import LRISC
from lrisc_system.training.failures import TrainingError
from lrisc_system.training.memory_table import print_plan
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.trainer import Trainer

USER_ERROR = 2
PhotoFile = Annotated[Positional[Path], arg(metavar="PHOTO")]
ImageFile = Annotated[Positional[Path], arg(metavar="IMAGE")]
PacketFile = Annotated[Positional[Path], arg(metavar="PACKET")]
ModelFolders = Annotated[Positional[tuple[Path, ...]], arg(metavar="MODEL [MODEL ...]")]
console = Console()


class Format(Enum):
    """What a sender writes."""

    packet = "a packet file"
    sigmf = "an IQ recording for a radio"


def send(
    photo: PhotoFile,
    packet: PacketFile,
    /,
    *,
    snr_db: float = 10.0,
    eta: float | None = None,
    cbr: float | None = None,
    alpha: float | None = None,
    mask: Path | None = None,
    format: Format = Format.packet,
    sample_rate_hz: float = 1e6,
    center_frequency_hz: float = 0.0,
    checkpoint: Path = SHIPPED,
    preset: str | None = None,
) -> None:
    """Encode a photo into a packet of channel symbols.

    Args:
        photo: image file to send.
        packet: packet file to write.
        snr_db: SNR of the channel that the transmitter was told, in dB.
        eta: real numbers sent per bit of information, Eq. (6); the model's by default.
        cbr: instead of eta, the bandwidth not to exceed, side information included.
        alpha: weight of the background in [0, 1], Eq. (3); the model's by default, 1 switches the
            ROI off.
        mask: saliency map of the photo; found by the classical detector by default.
        format: packet file, or SigMF recording with preamble and pilots, one sample per symbol.
        sample_rate_hz: of the recording.
        center_frequency_hz: of the radio that will play the recording.
        checkpoint: folder with config.json and model.safetensors; the shipped one by default.
        preset: refuse a checkpoint of any other preset.
    """
    system = load_model(checkpoint, expected_preset=preset)
    sent = _send(system, photo, snr_db=snr_db, eta=eta, cbr=cbr, alpha=alpha, mask=mask)[1]
    _describe(sent, snr_db)
    if format is Format.packet:
        write_packet(sent, packet)
        return
    recording = record_packet(
        sent, sample_rate_hz=sample_rate_hz, center_frequency_hz=center_frequency_hz
    )
    _describe_recording(recording, sent, snr_db, write_sigmf(recording, packet))


def channel(
    sent: PacketFile,
    received: PacketFile,
    /,
    *,
    snr_db: float = 10.0,
    fading: Fading = Fading.none,
    seed: int = 0,
) -> None:
    """Put a packet's symbols through a simulated channel.

    Args:
        sent: packet file that `lrisc send` wrote.
        received: packet file to write.
        snr_db: SNR of the channel in dB.
        fading: none (AWGN), or Rayleigh fading per image or per symbol, equalised.
        seed: of the noise.
    """
    packet = _cross(read_packet(sent), snr_db, fading.value, seed)
    write_packet(packet, received)


def receive(
    packet: PacketFile,
    image: ImageFile,
    /,
    *,
    snr_db: float | None = None,
    sent: Path | None = None,
    steps: int | None = None,
    seed: int = 0,
    checkpoint: Path = SHIPPED,
    preset: str | None = None,
) -> None:
    """Decode a received packet into an image.

    Args:
        packet: packet file that came out of the channel, or SigMF recording of it.
        image: image file to write; its suffix decides the format.
        snr_db: SNR in dB; what the packet's receiver noted by default.
        sent: recording that was sent, if the received one lacks the side information.
        steps: diffusion steps; the model's by default.
        seed: of the diffusion's starting noise, if there are several steps.
        checkpoint: folder with config.json and model.safetensors; the shipped one by default.
        preset: refuse a checkpoint of any other preset.
    """
    received = _read(packet, sent)
    snr_db = received.snr_db if snr_db is None else snr_db
    if snr_db is None:
        raise ValueError(f"expected --snr-db: {packet} has not crossed a channel that noted it")
    system = load_model(checkpoint, expected_preset=preset)
    save_image(_receive(system, received, snr_db, steps, seed), image)


def transmit(
    photo: PhotoFile,
    image: ImageFile,
    /,
    *,
    snr_db: float = 10.0,
    eta: float | None = None,
    cbr: float | None = None,
    alpha: float | None = None,
    mask: Path | None = None,
    fading: Fading = Fading.none,
    steps: int | None = None,
    seed: int = 0,
    checkpoint: Path = SHIPPED,
    preset: str | None = None,
) -> None:
    """Send a photo over a simulated channel and receive it: the three commands in one.

    Args:
        photo: image file to send.
        image: image file to write; its suffix decides the format.
        snr_db: SNR of the channel in dB.
        eta: real numbers sent per bit of information, Eq. (6); the model's by default.
        cbr: instead of eta, the bandwidth not to exceed, side information included.
        alpha: weight of the background in [0, 1], Eq. (3); the model's by default, 1 switches the
            ROI off.
        mask: saliency map of the photo; found by the classical detector by default.
        fading: none (AWGN), or Rayleigh fading per image or per symbol, equalised.
        steps: diffusion steps; the model's by default.
        seed: of the noise.
        checkpoint: folder with config.json and model.safetensors; the shipped one by default.
        preset: refuse a checkpoint of any other preset.
    """
    system = load_model(checkpoint, expected_preset=preset)
    source, packet = _send(system, photo, snr_db=snr_db, eta=eta, cbr=cbr, alpha=alpha, mask=mask)
    received = _receive(system, _cross(packet, snr_db, fading.value, seed), snr_db, steps, seed)
    save_image(received, image)
    metrics = evaluate_pair(source, received)
    console.print(metrics_table([Result(snr_db, packet.cbr(snr_db), metrics, received)]))


def demo(
    *,
    out: Path = Path("out"),
    photo: Path | None = None,
    cbr: float = 1 / 24,
    checkpoint: Path = SHIPPED,
) -> None:
    """Send a photo at 1, 10 and 19 dB and draw what arrives beside the source.

    Args:
        out: folder for the pictures.
        photo: image file to send; a photo that ships with the project by default.
        cbr: bandwidth not to exceed, side information included.
        checkpoint: folder with config.json and model.safetensors; the shipped one by default.
    """
    link, detector = open_link(None, checkpoint)
    run_demo(link, detector=detector, out=out, photo=photo, cbr=cbr, console=console)


def train(settings: Annotated[TrainSettings, arg(name="")]) -> None:
    """Train a model from scratch in one process, by the stages of Algorithm 1."""
    Trainer(settings, find_model(settings.model)).run()


train.__doc__ = f"{train.__doc__}\n\n{describe_models()}"  # for its --help


def plan(*, preset: str = "paper", batch_size: int = 16, bf16: bool = False) -> None:
    """Tell how much memory training takes: a table per batch size.

    Args:
        preset: of the model.
        batch_size: images per process; smaller batches are listed too.
        bf16: compute in mixed precision.
    """
    print_plan(
        preset, trainable=find_model("lrisc"), batch_size=batch_size, bf16=bf16, console=console
    )


def average(models: ModelFolders, /, *, out: Path, float16: bool = False) -> None:
    """Average the weights of models that went on from one another into one model.

    Args:
        models: folders with config.json and model.safetensors, of one config; a folder named
            twice counts twice.
        out: folder for the new model; a new or an empty one.
        float16: store it in half the size.
    """
    if len(models) < 2:
        raise ValueError(f"expected at least two models to average, got {len(models)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"expected a new or an empty output folder, got {out}")
    systems = [load_model(folder) for folder in models]
    for folder, system in zip(models, systems, strict=True):
        if system.config != systems[0].config:
            raise CheckpointError(f"{folder} has another config than {models[0]}")
    dtype = torch.float16 if float16 else torch.float32
    save_model(average_models(systems), out, dtype=dtype)
    console.print(f"{len(models)} models averaged into {out}")


def run_evaluate(settings: Annotated[EvaluateSettings, arg(name="")]) -> None:
    """Compare LRISC with DeepJSCC, a linear link and HEVC + LDPC on a folder of images.

    Every link sends every image at several SNRs and at several bandwidths, over AWGN or Rayleigh
    fading. The folder then holds results.csv (every transmission), summary.csv (means with two
    95% intervals: over draws of the channel, over images), tables.md, rd/ (curves in CompressAI's
    format), quality-over-snr, quality-over-cbr and pictures (PNG and SVG). Stopped, the command
    goes on where it was. `accelerate launch -m lrisc_system.evaluation` takes the same options and
    shares the images among processes.
    """
    evaluate(settings, console=console, open_model=open_model)


COMMANDS: dict[str, Callable[..., None]] = {
    "send": send,
    "channel": channel,
    "receive": receive,
    "transmit": transmit,
    "demo": demo,
    "train": train,
    "plan": plan,
    "average": average,
    "evaluate": run_evaluate,
}


def _send(
    system: LRISC,
    photo: Path,
    *,
    snr_db: float,
    eta: float | None,
    cbr: float | None,
    alpha: float | None,
    mask: Path | None,
) -> tuple[Tensor, Packet]:
    """Load a photo and its saliency and send it: the image (1, 3, H, W) and its packet."""
    image = load_image(photo)
    saliency = None if mask is None else load_mask(mask, (image.shape[-2], image.shape[-1]))
    packet = system.send(image, snr_db, eta=eta, cbr=cbr, alpha=alpha, saliency=saliency)
    return image, packet


def _cross(packet: Packet, snr_db: float, channel: Channel, seed: int) -> Packet:
    generator = Generator().manual_seed(seed)
    return replace(
        cross_channel(packet, snr_db, channel=channel, generator=generator), snr_db=snr_db
    )


def _receive(system: LRISC, packet: Packet, snr_db: float, steps: int | None, seed: int) -> Tensor:
    return system.receive(packet, snr_db, generator=Generator().manual_seed(seed), steps=steps)


def _read(path: Path, sent: Path | None) -> Packet:
    """Read a packet from its file, or find it in a recording and say what the link did."""
    if path.suffix not in SIGMF_SUFFIXES:
        if sent is not None:
            raise ValueError(f"expected a SigMF recording to go with --sent, got {path}")
        return read_packet(path)
    recording = read_sigmf(path, sent=sent)
    packet, frame = recover_packet(recording)
    console.print(
        f"frame found at sample {frame.start:.2f}, carrier off by "
        f"{frame.carrier_offset * recording.sample_rate_hz:+.1f} Hz, SNR {packet.snr_db:.1f} dB"
    )
    return packet


def _describe_recording(
    recording: Recording, packet: Packet, snr_db: float, paths: tuple[Path, Path]
) -> None:
    height, width = packet.image_size
    overhead = len(recording.samples) - recording.symbols
    cbr = packet.cbr(snr_db) + overhead / (3 * height * width)
    console.print(
        f"{overhead} channel uses of preamble and pilots, CBR {cbr:.4f} with them; "
        f"{paths[0].name}, {paths[1].name}"
    )


def _describe(packet: Packet, snr_db: float) -> None:
    height, width = packet.image_size
    console.print(
        f"{width} x {height}: {len(packet.symbols)} symbols and {packet.side_bits} bits of side "
        f"information, CBR {packet.cbr(snr_db):.4f} at {snr_db:g} dB"
    )


def main() -> None:
    """Run a command; a user's mistake ends in one line and exit code 2."""
    try:
        tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="lrisc", description=__doc__)
    except (ValueError, OSError, ImportError, TrainingError) as error:
        print(f"lrisc: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
