import numpy as np
import pytest
import torch
from PIL import Image

from roi_saliency.decoding import ImageError
from roi_saliency.images import save_mask
from roi_saliency.mask_files import load_mask, voc_palette

SHAPE = np.zeros((8, 8), dtype=np.uint8)
SHAPE[2:6, 2:6] = 1  # the region of interest, a quarter of the picture
EXPECTED = torch.from_numpy(SHAPE).float()[None, None]


def voc(labels, palette=None):
    picture = Image.fromarray(labels, "P")
    colours = voc_palette() if palette is None else palette
    picture.putpalette(colours.astype(np.uint8).tobytes())
    return picture


def cut_out(colours):
    rgba = np.concatenate([colours, SHAPE[..., None] * 255], axis=-1)
    return Image.fromarray(rgba.astype(np.uint8), "RGBA")


NOISE = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
GREYS = np.array([[0, 0, 0], [255, 255, 255]])

READ = {
    "0 and 255": Image.fromarray(SHAPE * 255),
    "0 and 1": Image.fromarray(SHAPE),
    "one bit": Image.fromarray(SHAPE * 255).convert("1"),
    "rgb of greys": Image.fromarray(SHAPE * 255).convert("RGB"),
    "voc": voc(SHAPE * 15),
    "voc with void": voc(np.where(SHAPE == 1, 255, 0).astype(np.uint8)),
    "palette of greys": voc(SHAPE, GREYS),
    "cut-out": cut_out(NOISE),
    "white shape": cut_out(np.full((8, 8, 3), 255)),
    "16 bits": Image.fromarray(SHAPE.astype(np.uint16) * 65535),
    "16 bits, 0 and 255": Image.fromarray(SHAPE.astype(np.uint16) * 255),
    "16 bits, 0 and 1": Image.fromarray(SHAPE.astype(np.uint16)),
    "floats": Image.fromarray(SHAPE.astype(np.float32)),
    "opaque": Image.fromarray(SHAPE * 255).convert("RGBA"),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_recognised(tmp_path, name):
    path = tmp_path / ("m.tif" if name == "floats" else "m.png")
    READ[name].save(path)
    assert torch.equal(load_mask(path, (8, 8)), EXPECTED)


REFUSED = {
    "labels": (Image.fromarray(SHAPE * 15), "which may be labels"),
    "labels and void": (Image.fromarray(np.where(NOISE[..., 0] > 99, 255, SHAPE * 3)), "labels"),
    "only 1": (Image.fromarray(SHAPE * 0 + 1), "which may be labels"),
    "16 bits of 8": (Image.fromarray(NOISE[..., 0].astype(np.uint16)), "up to 65535"),
    "colours": (Image.fromarray(NOISE.astype(np.uint8)), "got other colours"),
    "other palette": (voc(SHAPE, np.array([[0, 0, 0], [9, 200, 9]])), "got other colours"),
    "grey cut-out": (cut_out(np.repeat(NOISE[..., :1], 3, axis=-1)), "got both"),
    "transparent": (Image.new("RGBA", (8, 8)), "transparent everywhere"),
    "beyond": (Image.fromarray(SHAPE.astype(np.int32) * 70000), "0 to 65535, got 0 to 70000"),
    "another shape": (Image.fromarray(np.zeros((8, 12), np.uint8)), "mask of the photo's shape"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path, name):
    picture, message = REFUSED[name]
    path = tmp_path / ("m.tif" if picture.mode == "I" else "m.png")
    picture.save(path)
    with pytest.raises(ImageError, match=message) as caught:
        load_mask(path, (8, 8))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_greys_are_fractions_of_white(tmp_path):
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8)  # dark, but of many values
    Image.fromarray(ramp).save(tmp_path / "m.png")
    assert load_mask(tmp_path / "m.png", (8, 8))[0, 0, 7, 7].item() == pytest.approx(63 / 255)
    Image.fromarray(ramp.astype(np.uint16) * 1000).save(tmp_path / "m.png")
    assert load_mask(tmp_path / "m.png", (8, 8))[0, 0, 7, 7].item() == pytest.approx(63000 / 65535)


@pytest.mark.parametrize("value", [0.0, 1 / 255, 5 / 255, 1.0])
def test_our_own_masks_are_greys_whatever_they_hold(tmp_path, value):
    save_mask(torch.full((1, 1, 8, 8), value), tmp_path / "m.png")
    torch.testing.assert_close(
        load_mask(tmp_path / "m.png", (8, 8)), torch.full((1, 1, 8, 8), value)
    )


def test_masks_are_resized_in_their_shape(tmp_path):
    Image.fromarray(SHAPE * 255).save(tmp_path / "m.png")
    mask = load_mask(tmp_path / "m.png", (33, 32))  # 8 x 8, rounded from 8.25 x 8
    assert mask.shape == (1, 1, 33, 32)
    assert mask.mean().item() == pytest.approx(0.25, abs=0.01)


def test_the_first_colours_of_voc():
    """From the development kit: background, aeroplane, bicycle, bird, ..., the void border."""
    assert voc_palette()[[0, 1, 2, 3, 15, 20]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [192, 128, 128],
        [0, 64, 128],
    ]
    assert voc_palette()[255].tolist() == [224, 224, 192]
