"""roi-saliency and the system read the same pixels out of every file, or both refuse it."""

import numpy as np
import pytest
import torch
from PIL import Image

import roi_saliency.images
from lrisc_system import load_image

NOISE = np.random.default_rng(0).integers(0, 256, (6, 9, 4), dtype=np.uint8)
RAMP = np.linspace(0, 65535, 54).reshape(6, 9)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


FILES = {
    "rgb.png": (Image.fromarray(NOISE[..., :3]), {}),
    "grey.png": (Image.fromarray(NOISE[..., 0]), {}),
    "bilevel.png": (Image.fromarray(NOISE[..., 0]).convert("1"), {}),
    "alpha.png": (Image.fromarray(NOISE), {}),
    "grey-alpha.png": (Image.fromarray(NOISE).convert("LA"), {}),
    "palette.png": (Image.fromarray(NOISE[..., :3]).quantize(16), {"transparency": 3}),
    "colour-key.png": (
        Image.fromarray(NOISE[..., :3]),
        {"transparency": tuple(NOISE[1, 2, :3].tolist())},
    ),
    "grey-16.png": (Image.fromarray(RAMP.astype(np.uint16)), {}),
    "grey-key-16.png": (Image.fromarray(RAMP.astype(np.uint16)), {"transparency": 65535}),
    "big-endian.tif": (
        Image.frombytes("I;16B", (9, 6), RAMP.astype(">u2").tobytes()),
        {},
    ),
    "grey-32.tif": (Image.fromarray(RAMP.astype(np.int32)), {}),
    "float.tif": (Image.fromarray((RAMP / 65535).astype(np.float32)), {}),
    "cmyk.tif": (Image.fromarray(NOISE, mode="CMYK"), {}),
    "lab.tif": (Image.fromarray(NOISE[..., :3], mode="LAB"), {}),
    "alpha.webp": (Image.fromarray(NOISE), {"lossless": True}),
    "turned.jpg": (Image.fromarray(NOISE[..., :3]), {"exif": turned()}),
    "animation.gif": (
        Image.fromarray(NOISE[..., 0]),
        {"save_all": True, "append_images": [Image.new("L", (9, 6))]},
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_pixels(tmp_path, name):
    picture, options = FILES[name]
    picture.save(tmp_path / name, **options)
    ours, theirs = load_image(tmp_path / name), roi_saliency.images.load_image(tmp_path / name)
    assert ours.shape == ((1, 3, 9, 6) if name == "turned.jpg" else (1, 3, 6, 9))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "values",
    [np.array([[0, 65536]], np.int32), np.array([[0, -1]], np.int32), np.array([[1.5]], "f4")],
    ids=["above white", "below black", "float above white"],
)
def test_the_same_refusals(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "a.tif")
    for read in (load_image, roi_saliency.images.load_image):
        with pytest.raises(ValueError, match=r"a\.tif: expected gre"):
            read(tmp_path / "a.tif")
