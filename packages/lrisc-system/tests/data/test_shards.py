import gzip
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


def names(tmp_path, files):
    pack(tmp_path / "x.tar", files)
    return [(p.name, p.mask, p.error) for p in read_shard(str(tmp_path / "x.tar"))]


def test_other_pictures_of_a_sample_do_not_replace_its_photo(photos, tmp_path):
    photo, other, mask = photos[:3]
    files = {"a.depth.png": other, "a.jpg": photo, "a.MASK.PNG": mask, "a.seg.png": other}
    assert names(tmp_path, files) == [("a", mask, None)]
    (found,) = read_shard(str(tmp_path / "x.tar"))
    assert found.image == photo
    assert [n for n, *_ in names(tmp_path, {"a.left.jpg": photo, "a.right.jpg": other})] == [
        "a.left",
        "a.right",
    ]


def test_dotted_names_are_samples_of_their_own(photos, tmp_path):
    files = {f"img.v2.{index:04d}.jpg": photos[0] for index in range(40)}
    files["img.v2.0007.mask.png"] = photos[1]
    found = names(tmp_path, dict(sorted(files.items())))
    assert [name for name, *_ in found] == [f"img.v2.{index:04d}" for index in range(40)]
    assert [name for name, mask, _ in found if mask is not None] == ["img.v2.0007"]


def test_two_photos_of_one_name_are_one_bad_photo(photos, tmp_path):
    files = {"a.jpg": photos[0], "a.png": photos[1], "b.png": photos[2]}
    (_, _, error), (name, _, fine) = names(tmp_path, files)
    assert error == "a: expected one photo, got a.jpg and a.png"
    assert (name, fine) == ("b", None)


def test_foreign_files_and_links(photos, tmp_path):
    path = tmp_path / "x.tar"
    pack(
        path, {"__MACOSX/a.png": photos[0], "._b.png": photos[0], "b.png": photos[1], "n.txt": b""}
    )
    with tarfile.open(path, "a") as shard:
        link = tarfile.TarInfo("c.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        shard.addfile(link)
    first, second = read_shard(str(path))
    assert (first.name, first.error) == ("b", None)
    assert second.error == "c.png: expected a file, got a link or a device"
    with pytest.raises(ImageError, match=r"c\.png: expected a file"):
        ShardCrops([str(path)]).decode(second)


def header(size, kind=tarfile.REGTYPE):
    entry = tarfile.TarInfo("a.png")
    entry.size, entry.type = size, kind
    return entry.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        gzip.compress(header(1 << 40) + bytes(1 << 20)),
        gzip.compress(header(1 << 30, tarfile.XHDTYPE) + bytes(1 << 20)),
        gzip.compress(header(1 << 30, tarfile.GNUTYPE_LONGNAME) + bytes(1 << 20)),
        gzip.compress(bytes(100))[:-9],
    ],
    ids=["empty", "member", "pax header", "long name", "cut"],
)
def test_bombs_and_empty_files_are_refused_at_once(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.tar: cannot be read"):
        list(read_shard(str(tmp_path / "a.tar")))


def test_a_shard_that_unpacks_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("lrisc_system.data.shard_files.FREE_BYTES", 1 << 10)
    entries = b"".join(header(0).replace(b"a.png", b"a.txt") for _ in range(1000))
    (tmp_path / "a.tar").write_bytes(gzip.compress(entries))
    with pytest.raises(ImageError, match="cannot be read"):
        list(read_shard(str(tmp_path / "a.tar")))


def test_a_bad_shard_is_passed_over_and_named(shards, photos):
    (shards / "01.tar").write_bytes(b"")
    found = batches(shards, parts=1, last_step=4)
    skipped = {line for samples in found for line in samples.skipped}
    assert len(skipped) == 1
    assert "01.tar: cannot be read" in skipped.pop()
    assert {name for samples in found for name in samples.names} == {
        f"p{index}" for index in (0, 1, 4, 5, 6, 7)
    }
    crops = ShardCrops(list_shards(str(shards)))
    assert len(list(crops.crops(size=16, count=100, seed=0))) == 6


def test_too_many_bad_photos_stop_the_stream(photos, tmp_path):
    files = {f"{index:02d}.png": photos[0] if index % 2 else b"no" for index in range(40)}
    pack(tmp_path / "a.tar", files)
    crops = ShardCrops([str(tmp_path / "a.tar")], max_bad_share=0.1)
    with pytest.raises(ValueError, match="11 of 100 photos cannot be read"):
        list(crops.batches(partition(parts=1, last_step=50), workers=0))


def test_shards_without_a_photo_give_no_start(tmp_path):
    pack(tmp_path / "a.tar", {"a.png": b"no"})
    with pytest.raises(ImageError, match=r"no photo of 1 shards can be read: a: "):
        list(ShardCrops([str(tmp_path / "a.tar")]).crops(size=16, count=2, seed=0))
