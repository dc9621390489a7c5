"""Recordings as SigMF files, for radios to send and to record.

`NAME.sigmf-data` holds the samples, complex64, and `NAME.sigmf-meta` describes them, with an
annotation for each frame. The frames carry all that a receiver needs, so a recording that another
program made of them, in any sample format, is as good.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from lrisc_system.packets.packet import PacketError
from lrisc_system.radio.recording import Annotation, Recording
from lrisc_system.radio.samples import RawFormat, finite, raw_bytes
from lrisc_system.storage.files import write_together
from lrisc_system.storage.json_files import read_json

META_SUFFIX, DATA_SUFFIX = ".sigmf-meta", ".sigmf-data"
SIGMF_SUFFIXES = (META_SUFFIX, DATA_SUFFIX, ".sigmf")


class SigMFSamples:
    """Samples of a SigMF recording, read from its file in pieces.

    Args:
        file: of the `sigmf` library.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def __len__(self) -> int:
        return int(self._file.sample_count)

    def read(self, first: int, count: int) -> Tensor:
        """Read samples (at most `count`,) complex64 from `first` on."""
        count = min(count, len(self) - first)
        if count <= 0:
            return torch.zeros(0, dtype=torch.complex64)
        return finite(torch.from_numpy(self._file.read_samples(first, count)))


def write_sigmf(recording: Recording, path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write a recording as a SigMF pair.

    Args:
        recording: what to write.
        path: with or without a suffix of SigMF.

    Returns:
        The metadata and the data file.

    Raises:
        ImportError: the `sigmf` library is not installed.
        PacketError: a file cannot be written.
    """
    sigmf = _library()
    samples = recording.samples.read(0, len(recording.samples))
    data = raw_bytes(samples, RawFormat.cf32)
    info = {
        "core:datatype": "cf32_le",
        "core:sample_rate": recording.sample_rate_hz,
        "core:num_channels": 1,
        "core:sha512": hashlib.sha512(data).hexdigest(),
        "core:description": "Images as LRISC frames.",
    }
    meta = sigmf.SigMFFile(global_info=info)
    meta.add_capture(0, metadata={"core:frequency": recording.center_frequency_hz})
    for annotation in recording.annotations:
        meta.add_annotation(
            annotation.start, annotation.count, metadata={"core:label": annotation.label}
        )
    meta.validate()
    meta_path, data_path = _pair(path)
    try:
        text = (meta.dumps(pretty=True) + "\n").encode()
        write_together({data_path: data, meta_path: text})
    except OSError as error:
        raise PacketError(f"{path}: cannot be written ({error.strerror or error})") from error
    return meta_path, data_path


def read_sigmf(path: str | os.PathLike[str]) -> Recording:
    """Open a SigMF recording, of any sample format; its samples are read when they are needed.

    Args:
        path: of its metadata, its data, or an archive of both.

    Raises:
        ImportError: the `sigmf` library is not installed.
        PacketError: a file is missing, damaged, or no recording of one complex channel.
    """
    sigmf = _library()
    _check_dataset(path)
    try:
        file = sigmf.sigmffile.fromfile(path)
        info = file.get_global_info()
        captures, annotations = file.get_captures(), file.get_annotations()
        first = file.read_samples(0, 1)
    # Damaged metadata raises whatever the library trips over.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PacketError(f"{path}: no readable SigMF recording ({reason})") from error
    if first.ndim != 1 or first.dtype.kind != "c":
        got = f"{first.shape} {first.dtype}"
        raise PacketError(f"{path}: expected one channel of complex samples, got {got}")
    try:
        return Recording(
            samples=SigMFSamples(file),
            sample_rate_hz=float(info.get("core:sample_rate", 0.0)),
            center_frequency_hz=float(captures[0].get("core:frequency", 0.0) if captures else 0.0),
            annotations=tuple(
                Annotation(
                    start=int(annotation["core:sample_start"]),
                    count=int(annotation.get("core:sample_count", 0)),
                    label=str(annotation.get("core:label", "")),
                )
                for annotation in annotations
            ),
        )
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        raise PacketError(f"{path}: {error}") from error


def _check_dataset(path: str | os.PathLike[str]) -> None:
    """Refuse metadata that name a data file which is not beside them.

    Raises:
        PacketError: if `core:dataset` is anything but the name of a regular file there.
    """
    meta, _ = _pair(path)
    if not meta.is_file():
        return
    try:
        described = read_json(meta)["global"]
        named = described.get("core:dataset")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise PacketError(f"{path}: no readable SigMF recording ({reason})") from error
    if named is None:
        return
    data = meta.parent / str(named)
    if Path(str(named)).name != named or data.resolve().parent != meta.resolve().parent:
        raise PacketError(f"{path}: expected core:dataset beside the metadata, got {named!r:.80}")
    if not data.is_file():
        raise PacketError(f"{path}: expected core:dataset as a file, there is no {named!r:.80}")


def _pair(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in SIGMF_SUFFIXES else path
    return stem.with_name(stem.name + META_SUFFIX), stem.with_name(stem.name + DATA_SUFFIX)


def _library() -> ModuleType:
    try:
        import sigmf
    except ImportError as error:
        raise ImportError(
            "recordings need the sigmf library: pip install 'lrisc-system[sigmf]'"
        ) from error
    return sigmf
