import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from roi_saliency.decoding import ImageError
from roi_saliency.images import list_images, load_image, save_mask


def test_rgb_by_hand(tmp_path):
    Image.new("RGB", (5, 2), (255, 51, 0)).save(tmp_path / "a.png")
    image = load_image(tmp_path / "a.png")
    assert image.shape == (1, 3, 2, 5)
    torch.testing.assert_close(image[0, :, 0, 0], torch.tensor([1.0, 0.2, 0.0]))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_other_modes_become_rgb(tmp_path, mode):
    Image.new("L", (4, 4), 255).convert(mode).save(tmp_path / "a.png")
    assert torch.equal(load_image(tmp_path / "a.png"), torch.ones(1, 3, 4, 4))


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    Image.fromarray(np.array([[0, 13107, 65535]], dtype=np.uint16)).save(tmp_path / "a.png")
    expected = torch.tensor([0.0, 0.2, 1.0]).expand(1, 3, 1, 3)
    torch.testing.assert_close(load_image(tmp_path / "a.png"), expected)


def test_transparent_pixels_lie_on_white(tmp_path):
    Image.new("RGBA", (3, 3), (200, 0, 0, 51)).save(tmp_path / "a.png")
    # 20% of (200, 0, 0) over 80% of 255: (244, 204, 204)
    pixel = load_image(tmp_path / "a.png")[0, :, 1, 1] * 255
    assert pixel.round().tolist() == [244, 204, 204]


def test_greys_beyond_white_are_refused(tmp_path):
    Image.fromarray(np.array([[0, 65536]], dtype=np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: expected grey values .* got 0 to 1\.0"):
        load_image(tmp_path / "a.tif")


def test_exif_rotation_is_honoured(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert load_image(tmp_path / "a.jpg").shape == (1, 3, 8, 4)


def test_damage_is_one_line(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    for name, content in [
        ("cut.jpg", whole[: len(whole) // 2]),
        ("text.png", b"hello"),
        ("n", b""),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name}: ") as caught:
            load_image(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged EXIF
def test_flipped_bytes_never_raise_anything_else(tmp_path):
    generator = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (16, 8), (9, 99, 200)).save(tmp_path / "whole.jpg", exif=exif)
    whole = np.frombuffer((tmp_path / "whole.jpg").read_bytes(), dtype=np.uint8)
    refused = 0
    for _ in range(200):
        damaged = whole.copy()
        damaged[generator.integers(0, len(whole), 4)] = generator.integers(0, 256, 4)
        (tmp_path / "a.jpg").write_bytes(damaged.tobytes())
        try:
            assert load_image(tmp_path / "a.jpg").shape[1] == 3
        except ValueError as error:
            assert "a.jpg: " in str(error)  # noqa: PT017
            refused += 1
    assert 0 < refused < 200


def test_mask_round_trip(tmp_path):
    mask = torch.tensor([0.0, 0.2, 1.0]).reshape(1, 1, 1, 3)
    save_mask(mask, tmp_path / "m.png")
    with Image.open(tmp_path / "m.png") as file:
        assert file.mode == "L"
        assert np.asarray(file).tolist() == [[0, 51, 255]]
    assert [path.name for path in tmp_path.iterdir()] == ["m.png"]


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(ImageError, match=r"m\.png: cannot be written \(disk full\)"):
        save_mask(torch.zeros(1, 1, 2, 2), tmp_path / "m.png")
    assert list(tmp_path.iterdir()) == []


def test_other_mask_shapes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\(1, 1, H, W\), got \(2, 1, 4, 4\)"):
        save_mask(torch.zeros(2, 1, 4, 4), tmp_path / "m.png")


def test_what_lies_beside_photos_is_not_listed(tmp_path):
    kept = ["a.jpg", "b/c.PNG", "b/d/e.tif"]
    hidden = [
        "._a.jpg",
        ".x/a.jpg",
        "__MACOSX/a.jpg",
        "b/.ipynb_checkpoints/c.png",
        "n.txt",
        "out/z.png",
    ]
    for name in kept + hidden:
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).touch()
    found = list_images(tmp_path / "p", without=[tmp_path / "p" / "out"])
    assert found == sorted(tmp_path / "p" / name for name in kept)
    (tmp_path / "link").symlink_to(tmp_path / "p")
    assert len(list_images(tmp_path / "link", without=[tmp_path / "p" / "out"])) == 3
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "link").symlink_to(tmp_path / "p" / "b")
    (tmp_path / "p" / "b" / "loop").symlink_to(tmp_path / "set")
    assert [path.name for path in list_images(tmp_path / "set")] == ["c.PNG", "e.tif"]


def test_a_profile_is_converted_to_srgb(tmp_path):
    """Half of linear light is 188 in sRGB (IEC 61966-2-1); red of a wider space grows."""
    linear = Image.new("RGB", (4, 4), (128, 128, 128))
    linear.save(tmp_path / "a.png", icc_profile=profile(gamma=1.0))
    pixel = load_image(tmp_path / "a.png")[0, :, 1, 1] * 255
    assert pixel.tolist() == pytest.approx([188, 188, 188], abs=1.5)
    grey = Image.new("RGBA", (4, 4), (128, 128, 128, 255))
    grey.save(tmp_path / "b.png", icc_profile=profile(gamma=1.0))
    torch.testing.assert_close(load_image(tmp_path / "b.png"), load_image(tmp_path / "a.png"))
    for data in (b"damaged", profile(gamma=1.0)[:200]):
        linear.save(tmp_path / "c.png", icc_profile=data)
        assert load_image(tmp_path / "c.png").mean().item() == pytest.approx(128 / 255)


def profile(*, gamma: float) -> bytes:
    """Make an ICC profile of sRGB's primaries with another curve."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132], "big")
    for index in range(count):
        entry = data[132 + 12 * index : 144 + 12 * index]
        offset = int.from_bytes(entry[4:8], "big")
        if entry[1:4] == b"TRC":  # one number: a gamma of 8.8 bits
            curve = (
                b"curv" + bytes(4) + (1).to_bytes(4, "big") + int(gamma * 256).to_bytes(2, "big")
            )
            data[offset : offset + len(curve)] = curve
        if entry[:4] == b"desc":
            at = data.find("sRGB".encode("utf-16-be"), offset)
            data[at : at + 8] = "mine".encode("utf-16-be")
    return bytes(data)


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"%PDF-1.4"]
)
def test_content_that_runs_another_program_is_no_image(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match="not an image, or not of BMP"):
        load_image(tmp_path / "a.png")


def test_integers_that_may_be_of_8_bits_are_refused(tmp_path):
    Image.fromarray(np.array([[0, 200]], dtype=np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="32-bit integers up to 65535, got up to 200"):
        load_image(tmp_path / "a.tif")
    Image.fromarray(np.zeros((2, 2), dtype=np.int32)).save(tmp_path / "a.tif")
    assert not load_image(tmp_path / "a.tif").any()


def test_pipes_and_large_images_are_refused(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ImageError, match="got a folder or a device"):
        load_image(tmp_path / "a.png")
    Image.new("L", (50, 40)).save(tmp_path / "b.png")
    with pytest.raises(ImageError, match=r"at most 1999 \(--max-pixels\), got 50 x 40"):
        load_image(tmp_path / "b.png", max_pixels=1999)


def test_names_that_are_not_utf_8_can_be_printed(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    with pytest.raises(ImageError, match="no such file") as caught:
        load_image(path)
    assert str(caught.value).encode()
