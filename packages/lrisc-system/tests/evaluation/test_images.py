import shutil

import pytest
import torch

from lrisc_system.data.images import load_image, save_image
from lrisc_system.evaluation.images import EvaluationImages
from lrisc_system.evaluation.measure import MetricNetworks

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def networks():
    return MetricNetworks.load(None, device=CPU)


def test_an_image_comes_with_its_mask(photos, tmp_path, networks):
    """S = 1 and S = 0 give 0.982 and 0.018 by Eq. (1) as it starts."""
    half = torch.zeros(1, 3, 48, 64)
    half[..., 32:] = 1.0
    for name in ("apple", "pear"):
        save_image(half, tmp_path / f"{name}.png")
    images = EvaluationImages.open(photos, tmp_path, crop=None)
    source = images.load(1, networks=networks, device=CPU)
    assert images.names == ["apple", "pear"]
    assert source.name == "pear"
    assert torch.equal(source.image, load_image(photos / "pear.png"))
    assert torch.equal(source.saliency, half[:, :1])
    assert source.mask[0, 0, 20, [10, 50]].tolist() == pytest.approx([0.018, 0.982], abs=1e-3)


def test_without_masks_saliency_is_detected(photos, networks):
    source = EvaluationImages.open(photos, None, crop=None).load(0, networks=networks, device=CPU)
    assert source.saliency.shape == source.mask.shape == (1, 1, 48, 64)
    assert 0 <= source.saliency.min() < source.saliency.max() <= 1


def test_image_and_mask_are_cut_alike(photos, tmp_path, networks):
    for name in ("apple", "pear"):
        grey = load_image(photos / f"{name}.png")[:, :1].expand(-1, 3, -1, -1)
        save_image(grey, tmp_path / f"{name}.png")
    images = EvaluationImages.open(photos, tmp_path, crop=32)
    source = images.load(0, networks=networks, device=CPU)
    assert torch.equal(source.image, load_image(photos / "apple.png")[..., 8:40, 16:48])
    assert source.saliency.shape == source.mask.shape == (1, 1, 32, 32)


def test_sides_that_are_no_multiples_of_16_are_padded(photos, tmp_path):
    assert not EvaluationImages.open(photos, None, crop=None).padded()  # 48 x 64
    assert not EvaluationImages.open(photos, None, crop=32).padded()
    assert EvaluationImages.open(photos, None, crop=40).padded()
    save_image(torch.zeros(3, 48, 65), tmp_path / "wide.png")
    assert EvaluationImages.open(tmp_path, None, crop=None).padded()


def test_mistakes_are_refused(photos, tmp_path):
    with pytest.raises(ValueError, match="expected images"):
        EvaluationImages.open(tmp_path, None, crop=None)
    with pytest.raises(ValueError, match="a mask for every photo"):
        EvaluationImages.open(photos, tmp_path, crop=None)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        save_image(torch.zeros(3, 16, 16), tmp_path / folder / "same.png")
    with pytest.raises(ValueError, match=r"different names, got .*one.* and .*two"):
        EvaluationImages.open(tmp_path, None, crop=None)


def test_results_and_masks_among_the_images_are_none(photos, tmp_path):
    photos = shutil.copytree(photos, tmp_path / "photos")
    for folder in ("out/pictures", "masks"):
        (photos / folder).mkdir(parents=True)
        save_image(torch.zeros(3, 48, 64), photos / folder / "apple.png")
        save_image(torch.zeros(3, 48, 64), photos / folder / "pear.png")
    images = EvaluationImages.open(photos, photos / "masks", crop=None, out=photos / "out")
    assert images.names == ["apple", "pear"]
    assert images.masks == [photos / "masks" / "apple.png", photos / "masks" / "pear.png"]


def test_images_that_cannot_be_read_are_found_and_left_out(photos, tmp_path):
    photos = shutil.copytree(photos, tmp_path / "photos")
    (photos / "broken.png").write_bytes(b"no image")
    (photos / "gone.png").symlink_to(photos / "nowhere.png")
    images = EvaluationImages.open(photos, None, crop=None)
    errors = images.find_unreadable(range(4))
    assert sorted(errors) == [1, 2]
    assert "broken.png: not an image" in errors[1]
    assert "gone.png: no such file" in errors[2]
    assert images.without(errors).names == ["apple", "pear"]
