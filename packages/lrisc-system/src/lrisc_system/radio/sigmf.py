"""Recordings as SigMF files, for radios to send and to record.

`NAME.sigmf-data` holds the frame of `framing`, complex64, one sample per symbol.
`NAME.sigmf-meta` says so, and carries in the extension `lrisc`, which SigMF leaves to us:

    lrisc:side_information   base64 of the packet's bytes without its symbols
    lrisc:side_bits          what of it is sent over the air and counted in the CBR
    lrisc:symbols            how many symbols the frame carries; it follows from the rates in the
                             side information, and stands here to be found without the model

As in a packet file, the symbols cross the link and the side information arrives intact.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from lrisc_system.limits import MAX_PIXELS
from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.radio.recording import Recording
from lrisc_system.storage.files import write_together
from lrisc_system.storage.json_files import read_json

META_SUFFIX, DATA_SUFFIX = ".sigmf-meta", ".sigmf-data"
SIGMF_SUFFIXES = (META_SUFFIX, DATA_SUFFIX, ".sigmf")
EXTENSION = {"name": "lrisc", "version": "1.0.0", "optional": True}


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
    data = recording.samples.detach().cpu().numpy().astype("<c8").tobytes()
    info = {
        "core:datatype": "cf32_le",
        "core:sample_rate": recording.sample_rate_hz,
        "core:num_channels": 1,
        "core:sha512": hashlib.sha512(data).hexdigest(),
        "core:extensions": [EXTENSION],
    }
    if recording.side is not None:
        info["core:description"] = "An image as LRISC symbols: one sample each, framed."
        info["lrisc:side_information"] = base64.b64encode(recording.side.to_bytes()).decode()
        info["lrisc:side_bits"] = recording.side.side_bits
        info["lrisc:symbols"] = recording.symbols
    meta = sigmf.SigMFFile(global_info=info)
    meta.add_capture(0, metadata={"core:frequency": recording.center_frequency_hz})
    meta.validate()
    meta_path, data_path = _pair(path)
    try:
        text = (meta.dumps(pretty=True) + "\n").encode()
        write_together({data_path: data, meta_path: text})
    except OSError as error:
        raise PacketError(f"{path}: cannot be written ({error.strerror or error})") from error
    return meta_path, data_path


def read_sigmf(
    path: str | os.PathLike[str],
    *,
    sent: str | os.PathLike[str] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Recording:
    """Read a SigMF recording, of any sample format.

    Args:
        path: of its metadata, its data, or an archive of both.
        sent: the recording that was sent, for its side information, if a radio's own program
            wrote `path`.
        max_pixels: largest image that the side information may claim.

    Raises:
        ImportError: the `sigmf` library is not installed.
        PacketError: a file is missing, damaged, or no recording of one complex channel.
    """
    recording, info = _read(path)
    if sent is not None:
        _, info = _read(sent)
    side, symbols = _side_information(info, sent or path, max_pixels)
    return replace(recording, side=side, symbols=symbols)


def _read(path: str | os.PathLike[str]) -> tuple[Recording, dict[str, Any]]:
    """Read samples and global metadata."""
    sigmf = _library()
    _check_dataset(path)
    try:
        file = sigmf.sigmffile.fromfile(path)
        samples = file.read_samples()
        info = json.loads(file.dumps())["global"]
        captures = file.get_captures()
    # Damaged metadata raises whatever the library trips over.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PacketError(f"{path}: no readable SigMF recording ({reason})") from error
    if samples.ndim != 1 or samples.dtype.kind != "c":
        got = f"{samples.shape} {samples.dtype}"
        raise PacketError(f"{path}: expected one channel of complex samples, got {got}")
    try:
        frequency = captures[0].get("core:frequency", 0.0) if captures else 0.0
        recording = Recording(
            samples=torch.from_numpy(samples),
            sample_rate_hz=float(info.get("core:sample_rate", 0.0)),
            center_frequency_hz=float(frequency),
        )
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise PacketError(f"{path}: {error}") from error
    return recording, info


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


def _side_information(
    info: dict[str, Any], path: str | os.PathLike[str], max_pixels: int
) -> tuple[Packet | None, int]:
    """Read the packet without symbols, and their number, from the extension's fields."""
    if "lrisc:side_information" not in info:
        return None, 0
    try:
        data = base64.b64decode(info["lrisc:side_information"], validate=True)
        side, symbols = Packet.from_bytes(data, max_pixels=max_pixels), info["lrisc:symbols"]
    except (TypeError, KeyError, ValueError) as error:
        raise PacketError(f"{path}: damaged side information ({error})") from error
    if not isinstance(symbols, int) or symbols < 0:
        raise PacketError(f"{path}: expected a number as lrisc:symbols, got {symbols!r:.50}")
    return side, symbols


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
