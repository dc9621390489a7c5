"""The command, and the package without the command's extra."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("PIL")
testing = pytest.importorskip("typer.testing")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from snr_modulation import cli, commands  # noqa: E402

LINKS = """
import torch

def good(images, snr_db):
    return believing(images, snr_db, snr_db)

def believing(images, snr_db, estimate_db):
    return images + 0.1 * 10 ** (-snr_db.reshape(-1, 1, 1, 1) / 20) * torch.randn_like(images)

def falling(images, snr_db):
    return images + 0.01 * snr_db.reshape(-1, 1, 1, 1)

def one_snr(images, snr_db):
    return images + (0.1 if snr_db > 5 else 0.2)

def broken(images, snr_db):
    return images.nothing

def wrong_shape(images, snr_db):
    return images[:1]

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "foreign_links", raising=False)
    (tmp_path / "foreign_links.py").write_text(LINKS)
    (tmp_path / "faulty.py").write_text("1 / 0")
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = testing.CliRunner().invoke(commands.app, ["check", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_good_link(folder: Path) -> None:
    code, output = run("foreign_links:good", "--count", "2", "--size", "32")
    assert code == 0
    assert "ok: PSNR never falls as the SNR rises" in output
    assert "a wrong estimate costs at most 0.00 dB" in output
    assert (folder / "snr_check.png").read_bytes().startswith(b"\x89PNG")


def test_bad_link_ends_with_1(folder: Path) -> None:
    code, output = run("foreign_links:falling", "--size", "32", "--plot", "other.png")
    assert code == 1
    assert "WRONG: PSNR falls as the SNR rises" in output
    assert (folder / "other.png").exists()


def test_options_reach_the_check(folder: Path) -> None:
    arguments = ["--size", "32", "--one-snr", "--repeats", "2", "--seed", "3"]
    assert run("foreign_links:one_snr", *arguments)[0] == 0
    assert run("foreign_links:one_snr", "--size", "32")[0] == 2
    code, _ = run("foreign_links:good", "--size", "32", "--mismatched", "foreign_links:believing")
    assert code == 0


def test_images_of_a_folder(folder: Path) -> None:
    photos = folder / "photos"
    photos.mkdir()
    pixels = np.zeros((5, 8, 3), dtype=np.uint8)
    pixels[1:5, 2:6] = (255, 51, 0)  # the centre 4 x 4
    Image.fromarray(pixels).save(photos / "b.png")
    Image.new("L", (4, 4), 255).save(photos / "a.png")
    (photos / "notes.txt").write_text("no image")
    (photos / "sub").mkdir()
    images = commands.load_images(photos, count=8, size=4)
    assert images.shape == (2, 3, 4, 4)
    assert images[0].min() == 1
    assert images[1, :, 3, 0].tolist() == pytest.approx([1, 0.2, 0])
    assert len(commands.load_images(photos, count=1, size=4)) == 1
    with pytest.raises(ValueError, match=r"at least 5 pixels, got \(4, 4\)"):
        commands.load_images(photos, count=8, size=5)


def test_images_are_upright_on_white_and_of_8_bits(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by half a turn
    picture = Image.new("RGBA", (2, 2), (200, 0, 0, 51))  # over white: (244, 204, 204)
    picture.putpixel((0, 0), (0, 0, 0, 255))
    picture.save(tmp_path / "a.png", exif=exif)
    pixels = commands.load_images(tmp_path, count=1, size=2)[0] * 255
    assert pixels[:, 0, 0].round().tolist() == [244, 204, 204]
    assert pixels[:, 1, 1].tolist() == [0, 0, 0]
    Image.new("I;16", (2, 2)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"expected images of 8 bits, got mode I.* .*b\.png"):
        commands.load_images(tmp_path, count=2, size=2)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["foreign_links"], "error: expected module:name, got foreign_links"),
        (["no_such_module:x"], "error: expected a module no_such_module"),
        (["foreign_links:number"], "error: expected a callable number in foreign_links, got 3"),
        (["foreign_links:missing"], "got None"),
        (["foreign_links:wrong_shape"], "error: expected the link to return"),
        (["foreign_links:good", "--images", "nowhere"], "error: expected a folder of images"),
        (["foreign_links:good", "--images", "."], "error: expected images in ., got none"),
        (
            ["foreign_links:broken", "--plot", "no/such/folder.png"],
            "error: expected a file in an existing folder for the plot, got no/such/folder.png",
        ),
        (["foreign_links:broken", "--plot", "plot.xyz"], "error: expected a plot of "),
        (["foreign_links:broken", "--size", "8"], "error: the link raised AttributeError: "),
        (["faulty:link"], "error: expected a module faulty: ZeroDivisionError: division by zero"),
    ],
)
def test_one_clear_line(folder: Path, arguments: list[str], line: str) -> None:
    code, output = run(*arguments)
    assert code == 2
    assert line in output
    assert "Traceback" not in output


def test_the_traceback_is_shown_on_request(folder: Path) -> None:
    arguments = ["foreign_links:broken", "--size", "8"]
    place = f"(at {folder / 'foreign_links.py'}:17)"
    assert place in run(*arguments)[1].replace("\n", "")
    code, output = run(*arguments, "--traceback")
    assert code == 2
    assert "Traceback (most recent call last)" in output
    assert "return images.nothing" in output


def test_main_runs_the_app(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["snr-modulation", "check", "foreign_links:good", "--size", "16", "--count", "1"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0


def test_main_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit, match=r"needs typer: pip install 'snr-modulation\[check\]'"):
        cli.main()


BARE = """
import sys
for name in ("matplotlib", "numpy", "PIL", "typer", "rich", "onnx", "pandas", "scipy"):
    sys.modules[name] = None
import torch, snr_modulation as sm
adapter = sm.SNRAdapter(3, identity=True)
report = sm.check(lambda image, snr_db: adapter(image, snr_db), sm.synthetic_images(2, size=8))
print(sm.format_report(report))
"""


def test_torch_and_einops_are_enough() -> None:
    command = [sys.executable, "-W", "ignore", "-c", BARE]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "ok: an image does not depend on its batch neighbours" in result.stdout


def test_damaged_and_foreign_images(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "b.jpg")
    (tmp_path / "._b.jpg").write_bytes(b"a resource fork")
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert len(commands.load_images(tmp_path, count=8, size=8)) == 1
    (tmp_path / "b.jpg").write_bytes((tmp_path / "b.jpg").read_bytes()[:900])
    with pytest.raises(ValueError, match=r"expected a sound image, got .*b\.jpg: ") as caught:
        commands.load_images(tmp_path, count=8, size=8)
    assert "\n" not in str(caught.value)
