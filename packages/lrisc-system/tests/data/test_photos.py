import os
from pathlib import Path

import pytest
import torch

from lrisc_system.data.images import save_image
from lrisc_system.data.photos import (
    Crop,
    CropSampler,
    PhotoCrops,
    collate,
    cut,
    find_masks,
    hash_names,
    list_images,
    split_validation,
)


@pytest.fixture
def photos(tmp_path):
    generator = torch.Generator().manual_seed(0)
    for index in range(5):
        save_image(torch.rand(3, 40, 56, generator=generator), tmp_path / f"photo{index}.png")
    return list_images(tmp_path)


def plan(**changes):
    values = {
        "photos": 10,
        "size": 32,
        "micro_batch": 2,
        "parts": 2,
        "rank": 0,
        "world": 1,
        "seed": 3,
        "first_step": 0,
        "last_step": 12,
    }
    return CropSampler(**{**values, **changes})


def test_two_processes_see_the_global_batch_of_one():
    whole = list(plan())
    first, second = list(plan(rank=0, world=2)), list(plan(rank=1, world=2))
    assert [batch for pair in zip(first, second, strict=True) for batch in pair] == whole


def test_a_resumed_plan_goes_on_where_it_stopped():
    assert list(plan(first_step=5)) == list(plan())[2 * 5 :]


def test_an_epoch_shows_every_photo_once():
    drawn = [crop.photo for batch in plan(last_step=5) for crop in batch]  # 5 steps of 4
    assert sorted(drawn[:10]) == list(range(10))
    assert sorted(drawn[10:]) == list(range(10))
    assert drawn[:10] != drawn[10:]


def test_the_plan_knows_its_length():
    assert len(plan(rank=1, world=2)) == len(list(plan(rank=1, world=2)))


def test_a_crop_depends_on_its_seed_alone(photos):
    crops = PhotoCrops(photos)
    first, again, other = (crops[Crop(1, seed, 32)] for seed in (7, 7, 8))
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.saliency, again.saliency)
    assert not torch.equal(first.image, other.image)
    assert first.image.shape == (3, 32, 32)
    assert first.saliency.shape == (1, 32, 32)


def test_image_and_mask_are_cut_alike(tmp_path, photos):
    masks = tmp_path / "masks"
    masks.mkdir()
    image = torch.rand(3, 40, 56)
    for path in photos:
        save_image(image, path)
        save_image(image[:1].expand(3, -1, -1), masks / f"{path.stem}.png")
    sample = PhotoCrops(photos, find_masks(photos, masks, root=tmp_path))[Crop(0, 5, 32)]
    assert torch.allclose(sample.saliency, sample.image[:1], atol=1e-2)


def test_small_photos_are_enlarged():
    square = cut(torch.rand(1, 4, 20, 60), Crop(0, 1, 32))
    assert square.shape == (1, 4, 32, 32)


def test_a_broken_photo_is_passed_over_and_named(photos):
    photos[2].write_bytes(b"not an image")
    sample = PhotoCrops(photos)[Crop(2, 1, 32)]
    assert torch.equal(sample.image, PhotoCrops(photos)[Crop(3, 1, 32)].image)
    assert len(sample.skipped) == 1
    assert "photo2.png" in sample.skipped[0]
    assert collate([sample, sample]).skipped == sample.skipped * 2


def test_a_folder_of_broken_photos_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"none of the 1 photos"):
        PhotoCrops(list_images(tmp_path))[Crop(0, 0, 16)]


def test_empty_and_missing_folders(tmp_path):
    with pytest.raises(ValueError, match="got none"):
        list_images(tmp_path)
    with pytest.raises(ValueError, match="expected a folder"):
        list_images(tmp_path / "nowhere")


def test_a_missing_mask_is_named(tmp_path, photos):
    with pytest.raises(ValueError, match=r"photo0\.png"):
        find_masks(photos, tmp_path / "masks", root=tmp_path)


def test_the_split_depends_on_names_alone(tmp_path):
    paths = [tmp_path / f"{index:04d}.jpg" for index in range(2000)]
    train, held_out = split_validation(paths)
    assert sorted(train + held_out) == paths
    assert 30 < len(held_out) < 70  # one in forty
    moved = [tmp_path / "elsewhere" / path.name for path in paths]
    assert [path.name for path in split_validation(moved)[1]] == [path.name for path in held_out]


def test_the_fingerprint_follows_names_and_sizes_alone(photos, tmp_path):
    before = PhotoCrops(photos).fingerprint()
    assert before.files == 5
    # Of a file "a" of 3 bytes, by sha256sum.
    assert hash_names([("a", 3)]).sha256.startswith("fb0abcd9f0c136e2")
    photos[0].write_bytes(photos[0].read_bytes() + b"0")
    assert PhotoCrops(photos).fingerprint() != before


def tree(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(torch.zeros(3, 8, 8), path)
    return [root / name for name in names]


def test_masks_lie_as_the_photos_do(tmp_path):
    photos = tree(tmp_path / "p", "001.png", "a/001.jpg", "b/001.jpg", "c/2.v1.png")
    masks = tree(tmp_path / "m", "001.png", "a/001.png", "b/001.png", "2.v1.png")
    assert find_masks(photos, tmp_path / "m", root=tmp_path / "p") == masks


@pytest.mark.parametrize(
    ("photos", "masks", "message"),
    [
        (("a/001.jpg", "b/001.jpg"), ("001.png",), r"001\.png for .*a/001\.jpg and .*b/001\.jpg"),
        (("a/001.jpg", "a/001.png"), ("a/001.png",), r"got one for .*001\.jpg and .*001\.png"),
        (("a/001.jpg",), ("a/001.png", "001.png"), r"got .*a/001\.png and .*m/001\.png"),
        (("a/001.jpg", "b/002.jpg"), ("001.png",), r"got none for .*b/002\.jpg"),
    ],
)
def test_ambiguous_masks_are_refused_by_name(tmp_path, photos, masks, message):
    found = tree(tmp_path / "p", *photos)
    tree(tmp_path / "m", *masks)
    with pytest.raises(ValueError, match=message):
        find_masks(found, tmp_path / "m", root=tmp_path / "p")


def test_too_many_bad_photos_stop_the_reading(photos):
    for path in photos[:2]:
        path.write_bytes(b"no image")
    crops = PhotoCrops(photos, max_bad_share=0.2)
    assert len(crops[Crop(1, 1, 32)].skipped) == 1
    with pytest.raises(ValueError, match=r"2 of 5 photos .*share 0\.2, such as .*photo0"):
        crops[Crop(0, 1, 32)]


@pytest.mark.parametrize("kind", ["deleted", "dangling", "fifo", "not utf-8"])
def test_odd_files_are_passed_over(photos, tmp_path, kind):
    path = photos[2]
    path.unlink()
    if kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "not utf-8":
        path = Path(os.fsdecode(os.fsencode(path.with_name("x")) + b"\xff.png"))
        path.write_bytes(b"no image")
        photos[2] = path
    crops = PhotoCrops(photos)
    sample = crops[Crop(2, 1, 32)]
    assert len(sample.skipped) == 1
    assert sample.skipped[0].encode()  # can be printed and written
    assert crops.fingerprint().files == 5
    trained, held_out = split_validation(photos)
    assert sorted(trained + held_out) == sorted(photos)
