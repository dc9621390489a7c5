import csv
import io
import json
import shutil
import signal
from dataclasses import replace
from functools import partial

import pytest
import torch
from rich.console import Console

from lrisc_system.data.images import save_image
from lrisc_system.evaluation import evaluate
from lrisc_system.evaluation import run as run_module
from lrisc_system.evaluation.rows import Refusal, read_rows
from lrisc_system.evaluation.run import Worker, list_tasks
from lrisc_system.evaluation.set_figures import read_set_figures
from lrisc_system.training.folder_lock import locked
from lrisc_system.training.interruption import Stopped
from lrisc_system.training.launching import Group, launch

QUIET = Console(quiet=True)
FILES = {"evaluation.json", "results.csv", "summary.csv", "tables.md"}
FIGURES = {"quality-over-snr", "quality-over-cbr", "pictures"}


def results(folder):
    """Read `results.csv` without the seconds, which no two runs share."""
    with (folder / "results.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def set_figures(folder):
    """Read the figures of all sets; without VGG16, of the grid."""
    found = read_set_figures(folder / "sets" / "figures.jsonl")
    assert len(found) == 2 * 3  # links, points
    return {
        key: {name: value for name, value in figures.items() if name.startswith("grid")}
        for key, figures in found.items()
    }


@pytest.fixture(scope="module")
def finished(photos, checkpoint, tmp_path_factory):
    from lrisc_system.evaluation import EvaluateSettings

    settings = EvaluateSettings(
        data=photos,
        out=tmp_path_factory.mktemp("evaluation") / "results",
        checkpoint=checkpoint,
        links=("lrisc", "linear"),
        snr_db=(4.0, 10.0),
        cbr=1 / 24,
        bandwidths=(1 / 24, 1 / 12),
        seeds=2,
        picture_cbr=0.05,
    )
    rows = evaluate(settings, console=QUIET)
    assert len(rows) == 2 * 2 * 3 * 2  # links, images, points, seeds
    return settings


def test_everything_is_there(finished):
    names = FILES | {f"{name}{suffix}" for name in FIGURES for suffix in (".png", ".svg")}
    names |= {".lock", "rows", "rd", "pictures", "sets"}
    assert names == {p.name for p in finished.out.iterdir()}
    assert {path.name for path in (finished.out / "rd").iterdir()} == {"lrisc.json", "linear.json"}
    stored = results(finished.out)
    assert [row["link"] for row in stored] == ["lrisc"] * 12 + ["linear"] * 12
    assert all(float(row["cbr"]) <= 1.05 * float(row["cbr_budget"]) for row in stored)
    curve = json.loads((finished.out / "rd" / "linear.json").read_text())["results"]
    assert curve["psnr-rgb"] == sorted(curve["psnr-rgb"])
    text = (finished.out / "tables.md").read_text()
    assert "2 images, whole images, AWGN, 2 channel seeds" in text.splitlines()[0]
    assert "| LRISC |" in text
    assert "| grid, period 16, in grey levels |" in text
    assert {path.name for path in (finished.out / "sets").iterdir()} >= {"source", "figures.jsonl"}
    assert not list((finished.out / "sets" / "lrisc").iterdir())  # complete sets are cleared away


def test_a_stopped_run_goes_on_where_it_was(finished, tmp_path, monkeypatch):
    settings = replace(finished, out=tmp_path / "results")
    count = 0

    def perform(task, link, source, *, samples):
        nonlocal count
        count += 1
        if count == 8:
            raise Stopped(signal.SIGTERM)
        return work(task, link, source, samples=samples)

    work = run_module.perform
    monkeypatch.setattr(run_module, "perform", perform)
    with pytest.raises(Stopped) as stop:
        evaluate(settings, console=QUIET)
    assert str(stop.value) == (
        f"stopped by SIGTERM: all rows so far are in {settings.out}; the same command goes on from "
        "there"
    )
    assert len(read_rows(settings.out)[0]) == 7
    evaluate(settings, console=QUIET)
    assert count == 8 + 24 - 7
    assert results(settings.out) == results(finished.out)
    assert set_figures(settings.out) == set_figures(finished.out)
    evaluate(settings, console=QUIET)
    assert count == 8 + 24 - 7  # nothing was left to do


def test_two_evaluations_do_not_write_to_one_folder(settings, monkeypatch):
    monkeypatch.setattr(run_module, "locked", partial(locked, patience=0))
    with locked(settings.out), pytest.raises(ValueError, match="results is in use by another run"):
        evaluate(settings, console=QUIET)


def test_without_a_terminal_there_is_a_line_now_and_then(settings, fake_link, monkeypatch):
    monkeypatch.setattr(run_module, "PLAIN_SECONDS", 0.0)
    monkeypatch.setattr(run_module, "perform", lambda task, *rest, **more: Refusal(task, "none"))
    printed = io.StringIO()
    console = Console(file=printed, force_terminal=False, width=80)
    tasks = list_tasks(settings, {"linear": fake_link()}, "apple")
    with Worker(settings, {"linear": fake_link()}, set(), rank=0, console=console) as worker:
        worker.start({0: tasks})
        worker.work(None, tasks, pictured=False)
    assert f"2 of {len(tasks)}: apple linear " in printed.getvalue()


def test_links_are_added_to_what_is_there(finished, tmp_path):
    one = replace(finished, out=tmp_path / "results", links=("linear",))
    evaluate(one, console=QUIET)
    evaluate(replace(one, links=("lrisc",)), console=QUIET)
    assert results(one.out) == results(finished.out)
    assert (one.out / "tables.md").read_text().count("| linear (KLT) |") >= 2


def test_other_settings_are_refused(finished):
    with pytest.raises(ValueError, match="seeds 2, got 3"):
        evaluate(replace(finished, seeds=3), console=QUIET)


def test_what_is_out_of_reach_is_left_out(settings, tmp_path):
    wide = replace(settings, links=("linear",), bandwidths=(1 / 24, 0.5), snr_db=(), seeds=1)
    console = Console(record=True, width=200, file=io.StringIO())
    rows = evaluate(wide, console=console)
    assert {row.task.point.cbr for row in rows} == {1 / 24}
    said = console.export_text()
    assert said.count("linear is left out at CBR 0.5000") == 1
    why = "linear (KLT) is left out at CBR 0.5, refused for 2 images: expected a model within 5%"
    assert why in said
    assert f"- {why}" in (wide.out / "tables.md").read_text()


def test_one_image_has_all_its_tasks(settings, fake_link):
    tasks = list_tasks(settings, {"a": fake_link(), "b": fake_link()}, "apple")
    assert len(set(tasks)) == 2 * 3 * 2
    assert {task.image for task in tasks} == {"apple"}


def test_two_processes_find_the_same(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    options = ["--data", finished.data, "--out", tmp_path / "two", "--checkpoint"]
    options += [finished.checkpoint, "--links", "lrisc", "linear", "--snr-db", 4, 10]
    options += ["--cbr", finished.cbr, "--bandwidths", *finished.bandwidths]
    options += ["--seeds", 2, "--picture-cbr", 0.05]
    assert launch(["-m", "lrisc_system.evaluation", *map(str, options)], Group(2)) == 0
    assert len(list((tmp_path / "two" / "rows").iterdir())) == 2
    assert results(tmp_path / "two") == results(finished.out)
    assert set_figures(tmp_path / "two") == set_figures(finished.out)
    for name in ("evaluation.json", "rd/lrisc.json"):
        assert (tmp_path / "two" / name).read_text() == (finished.out / name).read_text()


def test_with_vgg16_there_are_realism_figures(settings, tmp_path, vgg_file):
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(2):
        image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(seed))
        save_image(image, folder / f"{seed}.png")
    point = {"snr_db": (10.0,), "cbr": 1 / 24, "bandwidths": ()}
    evaluate(
        replace(settings, data=folder, links=("linear",), vgg=vgg_file, **point), console=QUIET
    )
    with (settings.out / "summary.csv").open() as file:
        means = {line["figure"]: float(line["mean"]) for line in csv.DictReader(file)}
    assert 0 < means["dists"] < 1
    assert 0 <= means["roi_iou"] <= 1
    assert means["kid_vgg"] > 0
    assert means["fd_vgg"] > 0
    tables = (settings.out / "tables.md").read_text()
    assert f"| linear (KLT) | {1000 * means['kid_vgg']:.1f} |" in tables
    assert "<svg" in (settings.out / "realism-distortion.svg").read_text()


def test_bad_images_are_left_out_and_named(finished, photos, tmp_path):
    """Apple is gone when it is its turn, and pear goes on; too many stop the run at once."""
    data = shutil.copytree(photos, tmp_path / "data")
    (data / "plum.png").write_bytes(b"no image")
    (data / "quince.png").symlink_to(data / "nowhere.png")
    settings = replace(
        finished,
        data=data,
        out=data / "results",
        links=("linear",),
        snr_db=(10.0,),
        bandwidths=(1 / 24,),
        seeds=1,
    )
    with pytest.raises(ValueError, match=r"2 of 4 photos cannot be read, .* such as .*plum\.png"):
        evaluate(settings, console=QUIET)
    assert not settings.out.exists()
    rows = evaluate(replace(settings, max_bad_share=0.5), console=QUIET)
    assert [row.task.image for row in rows] == ["apple", "pear"]
    text = (settings.out / "tables.md").read_text()
    assert "plum.png: not an image" in text
    assert "quince.png: no such file" in text
    # Its own pictures are no images of the same command again.
    assert len(evaluate(replace(settings, max_bad_share=0.5), console=QUIET)) == 2


def test_an_image_that_goes_while_others_are_sent(finished, photos, tmp_path, monkeypatch):
    data = shutil.copytree(photos, tmp_path / "data")
    settings = replace(
        finished,
        data=data,
        out=tmp_path / "out",
        links=("linear",),
        snr_db=(10.0,),
        bandwidths=(1 / 24,),
        seeds=1,
    )
    perform = run_module.perform

    def perform_and_delete(*arguments, **named):
        (data / "pear.png").unlink(missing_ok=True)
        return perform(*arguments, **named)

    monkeypatch.setattr(run_module, "perform", perform_and_delete)
    rows = evaluate(settings, console=QUIET)
    assert [row.task.image for row in rows] == ["apple"]
    assert "pear.png: no such file" in (settings.out / "tables.md").read_text()
