"""What each received image adds to the figures of its set: a file each, until the set is complete.

KID-VGG, FD-VGG and the grid belong to all images of a link at a point, which several processes send
one by one, in one start or in several. KID has no small sufficient statistic, so the features of
the patches are kept in half precision: 100 KB for a crop of 256 x 256, 700 KB for a Kodak image.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from lrisc_system.evaluation.settings import Point
from lrisc_system.storage.files import write_atomically

SETS_FOLDER = "sets"
SOURCE = "source"  # the folder of the original images; no link has this name
SEED = 0  # the draw of the channel whose images make the set


@dataclass(frozen=True)
class SetSample:
    """What one image adds.

    Args:
        patterns: period of the grid in pixels -> pattern (1, 3, period, period) and count
            (1, 1, period, period), as `residual_by_phase` gives them; of a source, none.
        features: of its patches, (N, 1024); None without VGG16.
    """

    patterns: Mapping[int, tuple[Tensor, Tensor]]
    features: Tensor | None

    def to_bytes(self) -> bytes:
        """Write the sample as an `.npz` file, the features in half precision."""
        arrays = {
            f"{name}_{period}": tensor.cpu().numpy()
            for period, pair in self.patterns.items()
            for name, tensor in zip(("pattern", "count"), pair, strict=True)
        }
        if self.features is not None:
            arrays["features"] = self.features.half().cpu().numpy()
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> SetSample:
        """Read what `to_bytes` wrote, in single precision."""
        with np.load(io.BytesIO(content)) as arrays:
            tensors = {name: torch.from_numpy(arrays[name]).float() for name in arrays.files}
        features = tensors.pop("features", None)
        periods = [int(name.split("_")[1]) for name in tensors if name.startswith("count")]
        return cls({p: (tensors[f"pattern_{p}"], tensors[f"count_{p}"]) for p in periods}, features)


class SampleFolder:
    """The samples of an evaluation on disk.

    Args:
        folder: of the evaluation.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / SETS_FOLDER

    def write(self, sample: SetSample, image: str, *, link: str, point: Point) -> None:
        """Store what was received of an image."""
        self._write(sample, self._set(link, point) / f"{image}.npz")

    def write_source(self, sample: SetSample, image: str) -> None:
        """Store the sample of an original image."""
        self._write(sample, self.folder / SOURCE / f"{image}.npz")

    def has_source(self, image: str) -> bool:
        """Whether the sample of an original image is stored."""
        return (self.folder / SOURCE / f"{image}.npz").exists()

    def read(self, images: list[str], *, link: str, point: Point) -> list[SetSample]:
        """Read the samples of one link at one point, as far as they are there."""
        return self._read(self._set(link, point), images)

    def read_sources(self, images: list[str]) -> list[SetSample]:
        """Read the samples of the original images, as far as they are there."""
        return self._read(self.folder / SOURCE, images)

    def remove(self, *, link: str, point: Point) -> None:
        """Delete the samples of one link at one point."""
        shutil.rmtree(self._set(link, point), ignore_errors=True)

    def _set(self, link: str, point: Point) -> Path:
        return self.folder / link / f"{point.snr_db}dB-{point.cbr}"

    @staticmethod
    def _write(sample: SetSample, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, sample.to_bytes())

    @staticmethod
    def _read(folder: Path, images: list[str]) -> list[SetSample]:
        paths = [folder / f"{image}.npz" for image in images]
        return [_read_sample(path) for path in paths if path.exists()]


def _read_sample(path: Path) -> SetSample:
    """Read a sample.

    Raises:
        ValueError: if the file is not one of a sample.
    """
    try:
        return SetSample.from_bytes(path.read_bytes())
    except (BadZipFile, EOFError, IndexError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: expected the sample of an image, cannot read it") from error
