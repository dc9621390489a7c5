import csv
import math
from dataclasses import asdict

import pytest

from lrisc_system.evaluation import Point
from lrisc_system.evaluation.measure import Measurement
from lrisc_system.evaluation.rows import Refusal, Row, RowFile, Task, read_rows, write_results

FIGURES = Measurement(30.0, math.nan, 0.25, 0.5, *[1.0] * 6)


def task(link="linear", image="apple", snr_db=10.0, cbr=0.1, seed=0):
    return Task(link, image, Point(snr_db, cbr), seed)


def row(**where):
    return Row(task(**where), cbr=0.099, delivered=False, measurement=FIGURES, seconds=0.5)


def append(folder, *entries, rank=0):
    file = RowFile(folder, rank=rank)
    for entry in entries:
        file.append(entry)
    file.close()


def test_rows_of_all_processes_come_back(tmp_path):
    append(tmp_path, row(), Refusal(task(seed=1), "too narrow"))
    append(tmp_path, row(seed=2), rank=1)
    rows, refusals = read_rows(tmp_path)
    assert [found.task.seed for found in rows] == [0, 2]
    assert math.isnan(rows[0].measurement.ms_ssim)
    assert rows[0].measurement.lpips_vgg == 0.5
    assert refusals == [Refusal(task(seed=1), "too narrow")]


def test_half_a_line_is_passed_over_and_ended(tmp_path):
    append(tmp_path, row())
    path = tmp_path / "rows" / "0.jsonl"
    path.write_bytes(path.read_bytes() + b'{"task": {"link": "lin')
    assert len(read_rows(tmp_path)[0]) == 1
    append(tmp_path, row(seed=1))
    assert [found.task.seed for found in read_rows(tmp_path)[0]] == [0, 1]


def test_a_row_is_there_before_the_file_is_closed(tmp_path):
    file = RowFile(tmp_path, rank=0)
    file.append(row())
    assert len(read_rows(tmp_path)[0]) == 1
    file.close()


def test_an_empty_folder_has_no_rows(tmp_path):
    assert read_rows(tmp_path) == ([], [])


def test_the_table_is_in_one_order_whatever_came_first(tmp_path):
    rows = [
        row(link="linear", image="pear"),
        row(link="linear", seed=1),
        row(link="linear", snr_db=4.0),
        row(link="linear", cbr=0.05),
        row(link="linear"),
        row(link="lrisc", image="pear"),
    ]
    write_results(rows, tmp_path, links=["lrisc", "linear"])
    with (tmp_path / "results.csv").open() as file:
        stored = list(csv.DictReader(file))
    assert [
        (r["link"], r["image"], float(r["snr_db"]), float(r["cbr_budget"]), int(r["seed"]))
        for r in stored
    ] == [
        ("lrisc", "pear", 10, 0.1, 0),
        ("linear", "apple", 4, 0.1, 0),
        ("linear", "apple", 10, 0.05, 0),
        ("linear", "apple", 10, 0.1, 0),
        ("linear", "apple", 10, 0.1, 1),
        ("linear", "pear", 10, 0.1, 0),
    ]
    assert {name: float(stored[0][name]) for name in ("cbr", "delivered", "seconds")} == {
        "cbr": 0.099,
        "delivered": 0,
        "seconds": 0.5,
    }
    assert set(asdict(FIGURES)) < set(stored[0])


@pytest.mark.parametrize(
    "line",
    [
        "3",
        "[]",
        "{}",
        "null",
        '"task"',
        '{"task": 3}',
        '{"task": {"link": "linear"}}',
        '{"task": {"link": "linear", "image": "a", "point": [], "seed": 0}}',
        '{"task": {"link": "a", "image": "b", "point": {"snr": 1}, "seed": 0}, "reason": ""}',
        '{"task": {"link": 1, "image": "b", "point": {"snr_db": 1, "cbr": 1}, "seed": 0}}',
        '{"task": {"link": "a", "image": "b", "point": {"snr_db": 1, "cbr": 1}, "seed": 0}, '
        '"measurement": {"psnr": "high"}}',
    ],
)
def test_foreign_json_is_named(tmp_path, line):
    append(tmp_path, row())
    path = tmp_path / "rows" / "0.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=r"0\.jsonl, line 2: expected a result of an ") as caught:
        read_rows(tmp_path)
    assert "\n" not in str(caught.value)
