"""Recordings as the commands write and read them: SigMF, or raw samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.radio.amplifier import papr_db
from lrisc_system.radio.frame import Frame, frame_uses
from lrisc_system.radio.receiver import FoundFrame, find_frames
from lrisc_system.radio.recording import Recording, record_frames
from lrisc_system.radio.samples import RAW_FORMATS, RawSamples, raw_bytes
from lrisc_system.radio.sigmf import META_SUFFIX, SIGMF_SUFFIXES, read_sigmf, write_sigmf
from lrisc_system.radio.waveform import Waveform
from lrisc_system.storage.files import write_atomically

RAW_EXPECTED = " or ".join(RAW_FORMATS)


@dataclass(frozen=True)
class Recorder:
    """Writes the packet of a sender as a frame in a recording.

    Args:
        path: of the recording.
        raw: write samples alone, in the format that the suffix names.
        snr_db: SNR of a symbol in dB.
        margin_db: what it may be worse before side information is lost.
        waveform: that carries the frame.
        constellation: points that the JSCC symbols are projected to; None to send them as they are.
        max_papr_db: largest power of a sample over the mean, in dB; inf clips nothing.
        append: keep the frames of the recording, if it exists.
        sample_rate_hz: of the recording.
        center_frequency_hz: of the radio that will play it.

    Raises:
        ValueError: a raw recording has another suffix, or `append` is not possible.
    """

    path: Path
    raw: bool
    snr_db: float
    margin_db: float
    waveform: Waveform
    constellation: int | None
    max_papr_db: float
    append: bool
    sample_rate_hz: float
    center_frequency_hz: float

    def __post_init__(self) -> None:
        if self.raw and self.path.suffix not in RAW_FORMATS:
            raise ValueError(f"expected a {RAW_EXPECTED} file for raw samples, got {self.path}")
        if self.raw and self.append:
            raise ValueError("expected --append only with SigMF, whose metadata count the frames")

    def channel_uses(self, packet: Packet) -> int:
        """Channel uses of the frame of a packet."""
        return frame_uses(packet, self.snr_db, margin_db=self.margin_db, waveform=self.waveform)

    def write(self, packet: Packet, *, console: Console) -> None:
        """Write the frame of a packet, and print its cost."""
        before = self._before()
        frame = Frame.from_packet(
            packet,
            self.snr_db,
            margin_db=self.margin_db,
            frame_number=0 if before is None else len(before.annotations) % 256,
            waveform=self.waveform,
            constellation=self.constellation,
            max_papr_db=self.max_papr_db,
        )
        recording = record_frames(
            [frame],
            sample_rate_hz=self.sample_rate_hz,
            center_frequency_hz=self.center_frequency_hz,
            after=before,
        )
        names = ", ".join(path.name for path in self._write(recording))
        print_cost(frame, packet, snr_db=self.snr_db, console=console)
        samples = frame.samples()
        duration = len(samples) / self.sample_rate_hz
        console.print(
            f"{names}: {len(samples)} samples, {1000 * duration:.1f} ms at "
            f"{self.sample_rate_hz:g} samples/s, PAPR {papr_db(samples):.1f} dB"
        )

    def _before(self) -> Recording | None:
        """Open the recording that the frame is appended to."""
        stem = self.path.with_suffix("") if self.path.suffix in SIGMF_SUFFIXES else self.path
        meta = stem.with_name(stem.name + META_SUFFIX)
        return read_sigmf(meta) if self.append and meta.exists() else None

    def _write(self, recording: Recording) -> Iterable[Path]:
        if not self.raw:
            return write_sigmf(recording, self.path)
        samples = recording.samples.read(0, len(recording.samples))
        try:
            write_atomically(self.path, raw_bytes(samples, RAW_FORMATS[self.path.suffix]))
        except OSError as error:
            reason = error.strerror or error
            raise PacketError(f"{self.path}: cannot be written ({reason})") from error
        return (self.path,)


def print_cost(frame: Frame, packet: Packet, *, snr_db: float, console: Console) -> None:
    """Print the channel uses of a frame, part by part."""
    height, width = packet.image_size
    header, side = frame.header_format.symbols, frame.header.side_symbols
    known = frame.channel_uses - len(frame.cells)
    console.print(
        f"{width} x {height}: {frame.channel_uses} channel uses, CBR {frame.cbr():.4f}: "
        f"{len(packet.symbols)} symbols, {side} of side information, {header} of header, "
        f"{known} of preamble and pilots; {packet.cbr(snr_db):.4f} with ideal codes at {snr_db:g} "
        "dB"
    )


def is_recording(path: Path) -> bool:
    """Whether a file is a recording by its name."""
    return path.suffix in SIGMF_SUFFIXES or path.suffix in RAW_FORMATS


def open_recording(path: Path, *, sample_rate_hz: float | None) -> Recording:
    """Open a recording.

    Args:
        path: of a SigMF file, or of raw samples.
        sample_rate_hz: of raw samples; SigMF names its own.

    Raises:
        ValueError: the sample rate is missing or named twice, or the file cannot be read.
    """
    if path.suffix in RAW_FORMATS:
        if sample_rate_hz is None:
            raise ValueError(f"expected --sample-rate-hz for the raw samples of {path}, got none")
        return Recording(RawSamples(path), sample_rate_hz)
    if sample_rate_hz is not None:
        raise ValueError(f"expected --sample-rate-hz only for raw samples, got {path}")
    return read_sigmf(path)


def list_frames(
    recording: Recording, path: Path, *, waveform: Waveform, console: Console
) -> list[FoundFrame]:
    """Find the frames of a recording, and print a table of them.

    Raises:
        PacketError: there is none.
    """
    found = list(find_frames(recording.samples, waveform=waveform))
    if not found:
        raise PacketError(
            f"{path}: no frame found in {len(recording.samples)} samples, "
            f"{waveform.oversampling} per symbol"
        )
    table = Table("frame", "sample", "number", "image", "SNR (dB)", "carrier (Hz)", "")
    for position, frame in enumerate(found, start=1):
        height, width = frame.header.image_size
        reception = frame.frame.reception
        table.add_row(
            str(position),
            f"{frame.start:.2f}",
            str(frame.header.frame_number),
            f"{width} x {height}",
            f"{reception.snr_db:.1f}",
            f"{reception.carrier_offset * recording.sample_rate_hz:+.1f}",
            frame.problem or "",
        )
    console.print(table)
    return found
