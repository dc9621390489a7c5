import math
from dataclasses import replace

import torch
from rich.console import Console

from lrisc_system.commands.tables import Result, _detail, metrics_table, save_comparison
from lrisc_system.data.images import load_image
from lrisc_system.metrics.quality import Metrics


def results(size):
    image = torch.full((1, 3, *size), 0.25)
    return [
        Result(1.0, 0.02, Metrics(21.118, 0.63, 0.5672), image),
        Result(10.0, 0.021, Metrics(26.23, 0.8751, 0.2422), image + 0.5),
    ]


def test_the_table_shows_every_result(capsys):
    Console(width=120).print(metrics_table(results((8, 8))))
    text = capsys.readouterr().out
    assert all(figure in text for figure in ("21.12", "0.5672", "0.0210", "26.23", "0.8751"))


def test_the_table_says_why_there_is_no_ms_ssim(capsys):
    small = [
        replace(result, metrics=replace(result.metrics, ms_ssim=math.nan))
        for result in results((8, 8))
    ]
    Console(width=120).print(metrics_table(small))
    assert "MS-SSIM needs sides of more than 160 pixels" in capsys.readouterr().out
    Console(width=120).print(metrics_table(results((8, 8))))
    assert "160" not in capsys.readouterr().out


def test_the_comparison_shows_source_and_results(tmp_path):
    source, mask = torch.rand(1, 3, 60, 90), torch.rand(1, 1, 60, 90)
    save_comparison(source, mask, results((60, 90)), tmp_path / "figure.png")
    figure = load_image(tmp_path / "figure.png")
    colours = {tuple(colour) for colour in (figure[0].flatten(1).T * 255).round().int().tolist()}
    assert (64, 64, 64) in colours  # 0.25 * 255, the first result
    assert (191, 191, 191) in colours  # 0.75 * 255, the second


def test_the_detail_lies_on_the_region():
    mask = torch.zeros(1, 1, 60, 90)
    mask[..., 40:50, 60:80] = 1
    rows, columns = _detail(mask)
    assert (rows.start, rows.stop) == (35, 55)  # 20 rows around 40..49
    assert (columns.start, columns.stop) == (60, 80)  # 20 columns: 60..79


def test_the_detail_of_an_empty_mask_is_the_middle():
    rows, columns = _detail(torch.zeros(1, 1, 30, 30))
    assert (rows.start, rows.stop) == (columns.start, columns.stop) == (10, 20)
