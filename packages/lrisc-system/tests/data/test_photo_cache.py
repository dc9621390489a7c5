from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from lrisc_system.data.crops import Crop, DataPartition
from lrisc_system.data.images import ImageError
from lrisc_system.data.photo_cache import CachedPhotos, decoded_bytes, fits, free_bytes
from lrisc_system.data.photos import PhotoCrops

CPU = torch.device("cpu")
PARTITION = DataPartition(
    size=48, micro_batch=3, parts=2, rank=0, world=1, seed=5, first_step=0, last_step=4
)


@pytest.fixture
def photos(tmp_path):
    """Five photos of sizes from 40 x 64 to 56 x 80, the second one damaged, with masks."""
    draw = np.random.default_rng(0)
    found, masks = [], []
    for index in range(5):
        size = (40 + 4 * index, 64 + 4 * index)
        found.append(tmp_path / f"{index}.png")
        masks.append(tmp_path / f"mask-{index}.png")
        Image.fromarray(draw.integers(0, 256, (*size, 3), dtype=np.uint8)).save(found[-1])
        Image.fromarray(draw.integers(0, 256, size, dtype=np.uint8)).save(masks[-1])
    found[1].write_bytes(b"no photo")
    return PhotoCrops(found, masks)


@pytest.mark.parametrize(
    "partition", [PARTITION, replace(PARTITION, size=32), replace(PARTITION, scale=(0.7, 1))]
)
def test_a_cache_gives_the_crops_that_files_give_to_the_bit(photos, partition):
    from_files = list(photos.batches(partition, workers=0))
    cached = list(CachedPhotos(photos, device=CPU).batches(partition, workers=0))
    assert len(cached) == len(from_files) == 8
    for own, other in zip(cached, from_files, strict=True):
        assert own.image.shape == (3, 3, partition.size, partition.size)
        torch.testing.assert_close(own.image, other.image, rtol=0, atol=0)
        torch.testing.assert_close(own.saliency, other.saliency, rtol=0, atol=0)
        assert own.names == other.names
        assert own.skipped == other.skipped
    assert any(batch.skipped for batch in cached)


def test_a_crop_is_the_square_of_the_photo_that_its_seed_names(photos):
    crop = Crop(photo=4, seed=7, size=32)
    top, left, mirrored = crop.corner(56, 80)
    pixels = photos.pixels(4)[..., top : top + 32, left : left + 32]
    expected = pixels.flip(-1) if mirrored else pixels
    found = CachedPhotos(photos, device=CPU).cut([crop])
    assert torch.equal(found.image.mul(255).round().to(torch.uint8), expected[:, :3])


def test_without_a_last_step_batches_never_end(photos):
    batches = CachedPhotos(photos, device=CPU).batches(
        replace(PARTITION, last_step=None), workers=0
    )
    assert len([next(batches) for _ in range(50)]) == 50


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no photo")
    with pytest.raises(ImageError, match="none of the 1 photos can be read"):
        CachedPhotos(PhotoCrops([tmp_path / "a.png"]), device=CPU)


def test_the_size_of_a_cache_is_known_before_anything_is_decoded(photos):
    sizes = [(40, 64), (48, 72), (52, 76), (56, 80)]  # the second one is damaged
    assert decoded_bytes(photos) == 4 * sum(height * width for height, width in sizes)
    free = free_bytes(CPU)
    assert fits(free // 8, CPU)
    assert not fits(2 * free, CPU)
