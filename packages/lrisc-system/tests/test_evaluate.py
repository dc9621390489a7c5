import csv

import pytest
import torch
from rich.console import Console

from lrisc_system.checkpoint import save_model
from lrisc_system.config import TINY
from lrisc_system.demo import run_demo
from lrisc_system.evaluate import EvaluateSettings, evaluate
from lrisc_system.images import load_image, save_image
from lrisc_system.system import LRISC


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    system = LRISC(TINY)
    system.hyperprior.channel_scale.copy_(8 * 0.9 ** torch.arange(32.0))
    system.g_a.linear.weight.data.mul_(20)
    system.hyperprior.update()
    return system.eval()


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(2):
        image = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(index))
        save_image(image, folder / f"photo{index}.png")
    return folder


def test_every_image_snr_and_bandwidth_gets_a_row(system, photos, tmp_path):
    save_model(system, tmp_path / "model")
    rows = evaluate(
        EvaluateSettings(
            data=photos,
            out=tmp_path / "results",
            checkpoint=tmp_path / "model",
            snr_db=(10.0, 19.0),
            cbr=(0.02, 0.03),
            crop=48,
        ),
        console=Console(quiet=True),
    )
    assert len(rows) == 2 * 2 * 2
    assert all(row["cbr"] <= row["cbr_budget"] + 1e-6 for row in rows)
    with (tmp_path / "results" / "results.csv").open() as file:
        stored = list(csv.DictReader(file))
    assert [float(row["psnr"]) for row in stored] == [row["psnr"] for row in rows]


def test_the_demo_leaves_its_pictures(system, photos, tmp_path):
    out = tmp_path / "out"
    results = run_demo(
        system, out=out, photo=photos / "photo0.png", cbr=0.03, console=Console(quiet=True)
    )
    assert [result.snr_db for result in results] == [1, 10, 19]
    assert load_image(out / "received.png").shape == (1, 3, 48, 64)
    assert load_image(out / "roi.png").shape == (1, 3, 48, 64)
    assert load_image(out / "comparison.png").shape[-1] > 600
