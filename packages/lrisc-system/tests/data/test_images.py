import io
import os

import numpy as np
import pytest
import torch
from PIL import Image

from lrisc_system.data.images import ImageError, load_image, load_mask, save_image


@pytest.fixture
def photo():
    """A picture with structure in every channel, 24 x 40."""
    rows, columns = np.mgrid[0:24, 0:40]
    return np.stack([rows * 10, columns * 6, (rows + columns) * 4], axis=-1).astype(np.uint8)


def jpeg_bytes(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_rgb_png_is_exact(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    image = load_image(tmp_path / "a.png")
    assert image.shape == (1, 3, 24, 40)
    assert image.dtype == torch.float32
    assert image[0, 1, 5, 7] == np.float32(42 / 255)  # column 7 times 6
    assert np.array_equal((image * 255).round()[0].permute(1, 2, 0).numpy(), photo)


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_has_three_equal_channels(tmp_path, photo, mode):
    grey = Image.fromarray(photo).convert(mode)
    grey.save(tmp_path / "a.png")
    image = load_image(tmp_path / "a.png")
    expected = np.asarray(grey.convert("L"), dtype=np.float32) / 255
    for channel in image[0]:
        assert np.array_equal(channel.numpy(), expected)


def test_palette(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putdata([0, 1])
    picture.save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png")[0, :, 0].T.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_palette_with_a_transparent_entry_is_white_there(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putdata([0, 1])
    picture.save(tmp_path / "a.png", transparency=1)
    assert load_image(tmp_path / "a.png")[0, :, 0].T.tolist() == [[1, 0, 0], [1, 1, 1]]


def test_transparent_pixels_lie_on_white(tmp_path):
    Image.new("RGBA", (3, 3), (200, 0, 0, 51)).save(tmp_path / "a.png")
    # 20% of (200, 0, 0) over 80% of 255: (244, 204, 204)
    pixel = load_image(tmp_path / "a.png")[0, :, 1, 1] * 255
    assert pixel.round().tolist() == [244, 204, 204]


def test_grey_of_16_bits_keeps_its_scale_and_depth(tmp_path):
    ramp = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    image = load_image(tmp_path / "a.png")
    expected = torch.tensor([0.0, 1 / 255, 32768 / 65535, 1.0])
    torch.testing.assert_close(image[0, 0, 0], expected)
    assert torch.equal(image[0, 0], image[0, 2])


def test_grey_of_16_bits_in_tiff_of_either_byte_order(tmp_path):
    ramp = np.array([[0, 1000, 65535]], dtype=np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    Image.frombytes("I;16B", (3, 1), ramp.astype(">u2").tobytes()).save(tmp_path / "b.tif")
    assert torch.equal(load_image(tmp_path / "a.tif"), load_image(tmp_path / "b.tif"))


def test_integers_of_32_bits_are_white_at_65535_and_refused_above(tmp_path):
    Image.fromarray(np.array([[0, 13107, 65535]], dtype=np.int32)).save(tmp_path / "a.tif")
    assert load_image(tmp_path / "a.tif")[0, 0, 0].tolist() == [0.0, np.float32(0.2), 1.0]
    for beyond in (65536, -1):
        Image.fromarray(np.array([[0, beyond]], dtype=np.int32)).save(tmp_path / "b.tif")
        with pytest.raises(ImageError, match=r"b\.tif: expected grey values of 8 or 16 bits"):
            load_image(tmp_path / "b.tif")


def test_floats_keep_their_scale(tmp_path):
    Image.fromarray(np.array([[0.0, 0.25, 1.0]], dtype=np.float32)).save(tmp_path / "a.tif")
    assert load_image(tmp_path / "a.tif")[0, 0, 0].tolist() == [0.0, 0.25, 1.0]


def test_a_transparent_grey_of_16_bits_is_white(tmp_path):
    ramp = np.array([[0, 1000, 65535]], dtype=np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a.png", transparency=1000)
    assert load_image(tmp_path / "a.png")[0, 0, 0].tolist() == [0.0, 1.0, 1.0]


def test_floats_beyond_one_are_refused(tmp_path):
    Image.fromarray(np.array([[0.0, 2.0]], dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: expected grey values .* got 0 to 2"):
        load_image(tmp_path / "a.tif")


def test_cmyk_jpeg(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    red = load_image(tmp_path / "a.jpg")[0, :, 8, 8]
    torch.testing.assert_close(red, torch.tensor([1.0, 0.0, 0.0]), atol=0.02, rtol=0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    """The stored pixels are turned so that every file shows a dark upper left corner."""
    upright = np.full((16, 32), 255, dtype=np.uint8)
    upright[:8, :8] = 0
    inverse = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = Image.fromarray(upright)
    stored = stored if inverse is None else stored.transpose(inverse)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    image = load_image(tmp_path / "a.jpg")
    assert image.shape == (1, 3, 16, 32)
    assert image[..., 1:7, 1:7].max() < 0.2
    assert image[..., 9:, 9:].min() > 0.8


def test_a_truncated_jpeg_is_refused(tmp_path, photo):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = jpeg_bytes(noise)
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"a\.jpg: damaged or unreadable image \(.*truncated"):
        load_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tif"])
def test_every_cut_is_refused_in_one_line_or_decodes(tmp_path, photo, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(photo).save(path)
    data = path.read_bytes()
    messages = []
    for length in range(0, len(data) * 9 // 10, max(1, len(data) // 40)):
        path.write_bytes(data[:length])
        try:
            load_image(path)
        except ImageError as error:
            messages.append(str(error))
    assert len(messages) >= 10
    assert all(str(path) in message and "\n" not in message for message in messages)


def test_missing_empty_and_foreign_files(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "notes.png").write_text("no image at all\n" * 50)
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        load_image(tmp_path / "gone.png")
    with pytest.raises(ImageError, match=r"empty\.png: the file is empty"):
        load_image(tmp_path / "empty.png")
    with pytest.raises(ImageError, match=r"notes\.png: not an image"):
        load_image(tmp_path / "notes.png")
    with pytest.raises(ImageError, match="got a folder or a device"):
        load_image(tmp_path)
    with pytest.raises(ImageError, match="got a folder or a device"):
        load_image(os.devnull)


def test_a_decompression_bomb_is_refused(tmp_path):
    Image.new("L", (40, 40)).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png", max_pixels=1600).shape == (1, 3, 40, 40)
    with pytest.raises(ImageError, match=r"a\.png: too many pixels .* at most 1599 .* 40 x 40"):
        load_image(tmp_path / "a.png", max_pixels=1599)


def test_the_limit_may_be_above_pillows(tmp_path, monkeypatch):
    Image.new("L", (40, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load_image(tmp_path / "a.png").shape == (1, 3, 40, 40)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_save_rounds_and_clips(tmp_path):
    image = torch.tensor([-0.5, 0.4999 / 255, 0.5001 / 255, 0.5, 1.5]).expand(3, 1, 5)
    save_image(image, tmp_path / "a.png")
    written = np.asarray(Image.open(tmp_path / "a.png"))
    assert written[0, :, 0].tolist() == [0, 0, 1, 128, 255]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "TIFF"])
def test_lossless_formats_return_what_was_saved(tmp_path, suffix):
    image = torch.randint(0, 256, (1, 3, 7, 5), generator=torch.Generator().manual_seed(0)) / 255
    save_image(image, tmp_path / f"a.{suffix}")
    assert torch.equal(load_image(tmp_path / f"a.{suffix}"), image)


@pytest.mark.parametrize(("suffix", "kind"), [("jpg", "JPEG"), ("webp", "WEBP")])
def test_the_suffix_chooses_the_format(tmp_path, suffix, kind):
    save_image(torch.full((3, 16, 16), 0.25), tmp_path / f"a.{suffix}")
    assert Image.open(tmp_path / f"a.{suffix}").format == kind
    loaded = load_image(tmp_path / f"a.{suffix}")
    torch.testing.assert_close(loaded, torch.full((1, 3, 16, 16), 0.25), atol=0.01, rtol=0)


def test_save_refuses_what_it_cannot_write(tmp_path):
    image = torch.zeros(3, 4, 4)
    with pytest.raises(ImageError, match=r"expected a suffix of \.png.* got '\.xyz'"):
        save_image(image, tmp_path / "a.xyz")
    with pytest.raises(ImageError, match=r"a\.png: cannot be written \(.*No such file"):
        save_image(image, tmp_path / "missing" / "a.png")
    with pytest.raises(ValueError, match=r"expected an image .* got \(2, 3, 4, 4\)"):
        save_image(torch.zeros(2, 3, 4, 4), tmp_path / "a.png")
    with pytest.raises(ValueError, match="expected finite image values"):
        save_image(image * torch.nan, tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


def test_mask_is_resized_and_bounded(tmp_path):
    half = np.zeros((8, 8), dtype=np.uint8)
    half[:, 4:] = 255
    Image.fromarray(half).save(tmp_path / "m.png")
    mask = load_mask(tmp_path / "m.png", (32, 32))
    assert mask.shape == (1, 1, 32, 32)
    assert mask[..., 0].abs().max() < 1e-6
    torch.testing.assert_close(mask[..., -1], torch.ones(1, 1, 32))
    torch.testing.assert_close(mask.mean(), torch.tensor(0.5))
    with pytest.raises(ValueError, match="expected size"):
        load_mask(tmp_path / "m.png", (0, 16))
