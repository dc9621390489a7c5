import io
import itertools
import tarfile

import pytest
import torch

from lrisc_system.data.images import ImageError, save_image
from lrisc_system.data.photos import DataPartition
from lrisc_system.data.shard_files import read_shard
from lrisc_system.data.shards import ShardCrops, list_shards


def pack(path, files):
    with tarfile.open(path, "w") as shard:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            shard.addfile(entry, io.BytesIO(content))


@pytest.fixture
def photos(tmp_path):
    """Eight photos as bytes of PNG files, each of one grey of its own."""
    contents = []
    for index in range(8):
        save_image(torch.full((3, 24, 24), index / 8), tmp_path / "photo.png")
        contents.append((tmp_path / "photo.png").read_bytes())
    return contents


@pytest.fixture
def shards(photos, tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(4):
        pair = photos[2 * number : 2 * number + 2]
        files = {f"p{2 * number + i}.png": content for i, content in enumerate(pair)}
        pack(folder / f"{number:02d}.tar", files)
    return folder


def partition(**changes):
    values = {"size": 16, "micro_batch": 2, "parts": 2, "rank": 0, "world": 1, "seed": 5}
    return DataPartition(**{**values, "first_step": 0, "last_step": 6, **changes})


def batches(shards, **changes):
    crops = ShardCrops(list_shards(str(shards)))
    return list(crops.batches(partition(**changes), workers=0))


def same(first, second):
    return len(first) == len(second) and all(
        a.names == b.names and torch.equal(a.image, b.image)
        for a, b in zip(first, second, strict=True)
    )


def test_two_processes_see_the_global_batch_of_one(shards):
    whole = batches(shards)
    first, second = batches(shards, rank=0, world=2), batches(shards, rank=1, world=2)
    assert same(whole, list(itertools.chain(*zip(first, second, strict=True))))


def test_a_resumed_stream_goes_on_where_it_stopped(shards):
    assert same(batches(shards, first_step=3), batches(shards)[2 * 3 :])


def test_an_epoch_shows_every_photo_once(shards):
    names = [name for samples in batches(shards, last_step=2) for name in samples.names]
    assert sorted(names) == [f"p{index}" for index in range(8)]


def test_a_worker_changes_nothing(shards):
    crops = ShardCrops(list_shards(str(shards)))
    assert same(list(crops.batches(partition(), workers=3)), batches(shards))


def test_masks_lie_beside_their_photos(photos, tmp_path):
    pack(tmp_path / "a.tar", {"x.png": photos[2], "x.mask.png": photos[6], "y.png": photos[1]})
    first, second = read_shard(str(tmp_path / "a.tar"))
    assert (first.name, first.mask) == ("x", photos[6])
    assert (second.name, second.mask) == ("y", None)
    crops = ShardCrops([str(tmp_path / "a.tar")])
    pair = crops.decode(first)
    assert pair.shape == (1, 4, 24, 24)
    assert torch.allclose(pair[:, 3:], torch.full((1, 1, 24, 24), 6 / 8), atol=1 / 255)


@pytest.mark.parametrize("first_step", [0, 1])
def test_a_broken_photo_is_replaced_by_the_next_and_named(photos, tmp_path, first_step):
    files = {"a.png": photos[0], "b.png": b"no", "c.png": photos[2], "d.png": photos[3]}
    pack(tmp_path / "a.tar", files)
    crops = ShardCrops([str(tmp_path / "a.tar")])
    changes = {"parts": 1, "last_step": 2, "first_step": first_step}
    found = list(crops.batches(partition(**changes), workers=0))
    expected = [("a", "c"), ("c", "d")][first_step:]
    assert [samples.names for samples in found] == expected
    skipped = [line for samples in found for line in samples.skipped]
    assert len(skipped) == 1 - first_step
    assert all(line.startswith("b: ") for line in skipped)


def test_a_stream_without_a_good_photo_ends(tmp_path):
    pack(tmp_path / "a.tar", {"a.png": b"no", "b.png": b"no"})
    crops = ShardCrops([str(tmp_path / "a.tar")])
    with pytest.raises(ImageError, match="no photo of the shards can be read"):
        next(crops.batches(partition(parts=1), workers=0))
    pack(tmp_path / "b.tar", {"a.txt": b"no"})
    with pytest.raises(ImageError, match="none of the 1 shards holds a photo"):
        next(ShardCrops([str(tmp_path / "b.tar")]).batches(partition(parts=1), workers=0))


def test_the_start_takes_every_photo_once(shards, photos):
    crops = ShardCrops(list_shards(str(shards)))
    found = list(crops.crops(size=16, count=100, seed=0))
    assert [image.mean().item() for image in found] == pytest.approx(
        [index / 8 for index in range(8)], abs=1 / 255
    )
    assert len(list(crops.crops(size=16, count=3, seed=0))) == 3


def test_shards_are_listed(tmp_path, shards):
    assert list_shards("https://host/a-{098..101}.tar") == [
        f"https://host/a-{number:03d}.tar" for number in (98, 99, 100, 101)
    ]
    assert list_shards("s3://bucket/a.tar") == ["s3://bucket/a.tar"]
    assert len(list_shards(f"{shards}/0[12].tar")) == 2
    with pytest.raises(ValueError, match=r"expected tar shards in .*, got none"):
        list_shards(str(tmp_path / "nowhere"))


def test_too_few_shards(shards):
    with pytest.raises(ValueError, match="expected a shard for each of 8 micro-batches"):
        ShardCrops(list_shards(str(shards))).batches(partition(parts=8), workers=0)


@pytest.mark.parametrize("url", ["missing.tar", "nonsense://host/a.tar", "damaged.tar"])
def test_a_shard_that_cannot_be_read(tmp_path, shards, url):
    whole = (shards / "00.tar").read_bytes()
    (tmp_path / "damaged.tar").write_bytes(whole[:700])
    url = url if "://" in url else str(tmp_path / url)
    with pytest.raises(ImageError, match=r"cannot be read"):
        list(read_shard(url))


def test_the_fingerprint_follows_names_and_sizes(shards):
    before = ShardCrops(list_shards(str(shards))).fingerprint()
    assert before.files == 4
    (shards / "00.tar").write_bytes(b"longer" + (shards / "00.tar").read_bytes())
    assert ShardCrops(list_shards(str(shards))).fingerprint() != before
