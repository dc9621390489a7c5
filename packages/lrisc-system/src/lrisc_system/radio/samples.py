"""Where the samples of a recording come from: memory, or a file that is read in pieces."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lrisc_system.packets.packet import PacketError


class SampleSource(Protocol):
    """Complex samples that may be more than memory holds."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def read(self, first: int, count: int) -> Tensor:
        """Read samples (at most `count`,) complex64 from `first` on; fewer at the end.

        Raises:
            ValueError: a sample is not finite.
        """
        ...


@dataclass(frozen=True, eq=False)
class MemorySamples:
    """Samples in memory.

    Args:
        values: (n,) complex64.
    """

    values: Tensor = field(repr=False)

    def __post_init__(self) -> None:
        if self.values.ndim != 1 or self.values.dtype != torch.complex64:
            got = f"{tuple(self.values.shape)} {self.values.dtype}"
            raise ValueError(f"expected samples (n,) complex64, got {got}")

    def __len__(self) -> int:
        return len(self.values)

    def read(self, first: int, count: int) -> Tensor:
        """Read samples (at most `count`,) from `first` on."""
        return finite(self.values[first : first + count])


class RawFormat(Enum):
    """A file of interleaved real and imaginary parts, little-endian, without a header."""

    cf32 = "<f4"
    cs16 = "<i2"

    @property
    def full_scale(self) -> float:
        """The value that stands for 1."""
        return 1.0 if self is RawFormat.cf32 else 2.0**15


RAW_FORMATS = {f".{kind.name}": kind for kind in RawFormat}
"""By the suffix of a file's name."""


class RawSamples:
    """Samples of a raw file, mapped into memory.

    Args:
        path: of the file; its suffix names the format.

    Raises:
        PacketError: it cannot be read or does not hold whole samples.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        path = Path(path)
        self.format = RAW_FORMATS[path.suffix]
        kind = np.dtype(self.format.value)
        try:
            size = path.stat().st_size
            if size % (2 * kind.itemsize):
                raise PacketError(
                    f"{path}: expected samples of {2 * kind.itemsize} bytes, got {size} bytes"
                )
            empty = np.zeros((0,), kind)
            self._parts = np.memmap(path, dtype=kind, mode="r") if size else empty  # (2 n,)
        except OSError as error:
            raise PacketError(f"{path}: cannot be read ({error.strerror or error})") from error

    def __len__(self) -> int:
        return len(self._parts) // 2

    def read(self, first: int, count: int) -> Tensor:
        """Read samples (at most `count`,) from `first` on."""
        parts = self._parts[2 * first : 2 * (first + count)].astype("<f4") / self.format.full_scale
        return finite(torch.from_numpy(parts.astype(np.float32).view(np.complex64)))


def raw_bytes(samples: Tensor, kind: RawFormat) -> bytes:
    """Write samples (n,) complex64 as a raw file's bytes; what is above full scale is clipped."""
    parts = torch.view_as_real(samples.detach().cpu()).numpy() * kind.full_scale
    if kind is RawFormat.cs16:
        parts = parts.round().clip(-(2**15), 2**15 - 1)
    return parts.astype(kind.value).tobytes()


def finite(samples: Tensor) -> Tensor:
    """Return samples, if all are finite."""
    if not torch.isfinite(torch.view_as_real(samples)).all():
        raise ValueError("expected a recording of finite samples, got NaN or infinity")
    return samples
