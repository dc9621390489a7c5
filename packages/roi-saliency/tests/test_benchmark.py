import runpy
from pathlib import Path

import pytest
import torch
from PIL import Image

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "detectors.py"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


def test_figures_by_hand(script):
    # Of four pixels two are object. Scores 0.9, 0.4 inside and 0.6, 0.1 outside: 3 of 4 pairs are
    # in order, so AUC is 3/4; MAE is (0.1 + 0.6 + 0.6 + 0.1) / 4. Twice the mean, 1.0 at most
    # 0.95, finds nothing; the best threshold finds one of two or all, F = 1.3 * 0.5 / 0.8 = 0.8125.
    error, adaptive, best, auc = script["figures"](
        torch.tensor([[0.9, 0.4, 0.6, 0.1]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    )
    assert error == pytest.approx(0.35)
    assert adaptive == 0
    assert best == pytest.approx(0.8125)
    assert auc == pytest.approx(0.75)


def test_a_constant_map_has_even_chances(script):
    truth = torch.tensor([[True, False, False, True]])
    assert script["area_under_curve"](torch.zeros(1, 4), truth).item() == 0.5


def test_it_prints_a_row_a_detector(script, tmp_path, capsys):
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
        picture = Image.new("RGB" if folder == "photos" else "L", (40, 40))
        picture.paste((255, 0, 0) if folder == "photos" else 255, (15, 15, 25, 25))
        picture.save(tmp_path / folder / "a.png")
    script["main"](tmp_path / "photos", tmp_path / "masks")
    printed = capsys.readouterr().out
    assert "1 photos" in printed
    assert "barrier (default)" in printed
