"""Damaged and odd tar shards, and SigMF recordings."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import torch
from PIL import Image

from lrisc_system.data.images import ImageError
from lrisc_system.data.shards import ShardCrops
from lrisc_system.packets.packet import PacketError
from lrisc_system.radio.recording import Recording
from lrisc_system.radio.samples import MemorySamples
from lrisc_system.radio.sigmf import read_sigmf, write_sigmf
from torture.outcome import Tally, damage, tally

COUNT = 200
NAMES = (
    "a.jpg",
    "a.mask.png",
    "a.MASK.PNG",
    "a.seg.png",
    "a.png",
    "b.v2.1.png",
    "b.v2.2.png",
    "._a.png",
    "__MACOSX/a.png",
    "../c.png",
    "/d.png",
    "e.txt",
    "\udcff.png",
)


def torture_shards(folder: Path, count: int = COUNT, *, seed: int = 0) -> Tally:
    """Read `count` shards and recordings, half of each.

    Args:
        folder: empty, for the files.
        count: number of files.
        seed: of the damage.
    """
    random = Random(seed)
    shards = tally(
        "shards and recordings",
        make_shards(folder, count=count - count // 2, random=random),
        allowed=ImageError,
    )
    recordings = tally(
        "recordings",
        make_recordings(folder, count=count // 2, random=random),
        allowed=PacketError,
    )
    shards.endings += recordings.endings
    shards.failures += recordings.failures
    shards.slowest = max(shards.slowest, recordings.slowest)
    return shards


def make_shards(
    folder: Path, *, count: int, random: Random
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the name and the reading of each shard."""
    buffer = io.BytesIO()
    Image.new("L", (16, 16), 200).save(buffer, "PNG")
    for index in range(count):
        data = pack(random, buffer.getvalue())
        if random.random() < 0.5:
            data = damage(data, random)
        data = random.choice((bytes, gzip.compress, bz2.compress))(data)
        if random.random() < 0.2:
            data = damage(data, random)
        path = folder / f"{index}.tar"
        path.write_bytes(data)

        def read(path: Path = path) -> object:
            source = ShardCrops([str(path)])
            return list(source.crops(size=16, count=50, seed=0))

        yield f"{index} shard", read


def pack(random: Random, image: bytes) -> bytes:
    """Make a tar of odd names, links and claims."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=random.choice((0, 1, 2))) as shard:
        for _ in range(random.randint(0, 8)):
            entry = tarfile.TarInfo(random.choice(NAMES))
            kind = random.randrange(6)
            if kind == 0:
                entry.type, entry.linkname = random.choice((tarfile.SYMTYPE, tarfile.LNKTYPE)), "a"
                shard.addfile(entry)
            elif kind == 1:
                entry.size = random.choice((0, 1 << 20, 1 << 33))
                try:
                    buffer.write(entry.tobuf(tarfile.GNU_FORMAT))
                except ValueError:
                    continue
            else:
                content = random.choice((image, image, b"", b"no image"))
                entry.size = len(content)
                try:
                    shard.addfile(entry, io.BytesIO(content))
                except (ValueError, UnicodeError):
                    continue
    return buffer.getvalue()


def make_recordings(
    folder: Path, *, count: int, random: Random
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the name and the reading of each recording."""
    samples = MemorySamples(torch.randn(64, dtype=torch.complex64))
    recording = Recording(samples, sample_rate_hz=1e6)
    values = (1e308, -1, 0, "text", None, [1], {}, True, "../secret", "/etc/hostname", 10**400)
    for index in range(count):
        meta, data = write_sigmf(recording, folder / f"r{index}")
        if index % 2:
            path = random.choice((meta, data))
            path.write_bytes(damage(path.read_bytes(), random))
        else:
            described = json.loads(meta.read_text())
            place = random.choice((described["global"], described["captures"][0], described))
            names = [*place, "core:dataset", "core:offset", "core:header_bytes"]
            place[random.choice(names)] = random.choice(values)
            meta.write_text(json.dumps(described))

        def read(meta: Path = meta) -> object:
            return read_sigmf(meta)

        yield f"{index} recording", read
