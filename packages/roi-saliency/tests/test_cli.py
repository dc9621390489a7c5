import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from roi_saliency import BarrierDetector, GCPANet, GCPANetConfig
from roi_saliency.cli import app
from roi_saliency.images import load_image


def run(*arguments):
    return CliRunner().invoke(app, ["masks", *map(str, arguments)])


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name in ("a.jpg", "b.png", "c.JPEG"):
        pixels = generator.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "notes.txt").write_text("not a photo")
    return folder


def test_masks_of_a_folder(photos, tmp_path):
    out = tmp_path / "deep" / "masks"
    result = run(photos, out)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png", "c.png"]
    assert "3 written, 0 already there, 0 skipped" in result.output
    with Image.open(out / "b.png") as file:
        mask = np.asarray(file)
    expected = BarrierDetector()(load_image(photos / "b.png"))[0, 0].numpy() * 255
    np.testing.assert_allclose(mask, expected, atol=0.51)


def test_a_second_run_goes_on_where_the_first_stopped(photos, tmp_path):
    out = tmp_path / "masks"
    out.mkdir()
    (out / "a.png").write_bytes(b"kept as it is")
    result = run(photos, out)
    assert "2 written, 1 already there, 0 skipped" in result.output
    assert (out / "a.png").read_bytes() == b"kept as it is"


def test_unreadable_files_are_reported_and_skipped(photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"no photo")
    result = run(photos, tmp_path / "masks")
    assert result.exit_code == 0
    assert "broken.jpg: not an image" in result.output
    assert "3 written, 0 already there, 1 skipped" in result.output
    assert not (tmp_path / "masks" / "broken.png").exists()


def test_nothing_readable_is_a_failure(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no photo")
    result = run(tmp_path, tmp_path / "masks")
    assert result.exit_code == 1
    assert "expected a readable photo in" in result.output


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("none", "masks", "expected a folder of images, got"),
        ("empty", "masks", "expected images"),
        ("photos", "photos", "expected another folder for the masks"),
    ],
)
def test_wrong_folders_get_one_line(photos, tmp_path, source, target, message):
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / source, tmp_path / target)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_two_photos_of_one_stem_are_refused(photos, tmp_path):
    (photos / "a.png").write_bytes((photos / "b.png").read_bytes())
    result = run(photos, tmp_path / "masks")
    assert result.exit_code == 1
    assert "expected different stems, got a.jpg and a.png" in result.output


def test_a_saved_network_makes_masks(photos, tmp_path):
    torch.manual_seed(0)
    config = GCPANetConfig(backbone="mobilenetv3_small_050", width=4, input_size=32)
    GCPANet(config).save(tmp_path / "net.safetensors")
    result = run(
        photos, tmp_path / "m", "--detector", "gcpanet", "--weights", tmp_path / "net.safetensors"
    )
    assert "3 written" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--detector", "onnx"], "--weights FILE for the detector onnx, got none"),
        (["--detector", "gcpanet", "--weights", "none"], "expected a GCPANet file, got none"),
        (["--weights", "none"], "no --weights for the detector barrier, got none"),
    ],
)
def test_weights_must_fit_the_detector(photos, tmp_path, options, message):
    result = run(photos, tmp_path / "masks", *options)
    assert result.exit_code == 1
    assert message in result.output


def test_masks_lie_as_the_photos_do(photos, tmp_path):
    (photos / "deep").mkdir()
    (photos / "b.png").rename(photos / "deep" / "a.png")  # the stem of another photo
    out = photos / "masks"  # inside the photos: its own masks are none of them
    assert run(photos, out).exit_code == 0
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == [
        "a.png",
        "c.png",
        "deep/a.png",
    ]
    assert "0 written, 3 already there" in run(photos, out).output


def test_a_full_disk_and_large_photos_get_one_line(photos, tmp_path, monkeypatch):
    assert "3 skipped" in run(photos, tmp_path / "m", "--max-pixels", 10).output

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    result = run(photos, tmp_path / "masks")
    assert result.exit_code == 1
    assert "a.png: cannot be written (No space left on device)" in result.output
