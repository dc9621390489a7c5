import json

import pytest

from lrisc_system.training import monitor as monitor_module
from lrisc_system.training.monitor import Monitor, read_curves
from lrisc_system.training.recipes import Stage

STAGE = Stage("first", trainable=("",), batch_size=2)


class NoTrackers:
    def scalars(self, values, *, step):
        pass

    def finish(self):
        pass


def test_without_a_terminal_there_is_a_line_now_and_then(tmp_path, monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(monitor_module.time, "monotonic", lambda: now)
    monitor = Monitor(tmp_path, stages=[STAGE], trackers=NoTrackers(), visible=True)
    monitor.start_stage(STAGE, 0, last_step=100, flop_per_image=0)
    for step in range(1, 10):  # 20 seconds each: a line after 60, 120 and 180
        now += 20
        monitor.step(STAGE, step, {"total": step / 8}, rate=1e-4, last=False)
    assert capsys.readouterr().out.splitlines() == [
        "first 3: 0.1 images/s, 0% waiting for data, total 0.3750",
        "first 6: 0.1 images/s, 0% waiting for data, total 0.7500",
        "first 9: 0.1 images/s, 0% waiting for data, total 1.1250",
    ]


def test_curves_are_read_back_without_half_a_line(tmp_path):
    path = tmp_path / "curves.jsonl"
    line = {"stage": "first", "step": 3, "total": 0.5}
    path.write_text(json.dumps(line) + '\n{"stage": "fi')
    assert read_curves(tmp_path) == [line]


@pytest.mark.parametrize("text", ["3", "[]", "{}", '{"stage": 1, "step": 2}', '{"stage": "a"}'])
def test_foreign_json_in_the_curves_is_named(tmp_path, text):
    (tmp_path / "curves.jsonl").write_text(f"\n{text}\n")
    with pytest.raises(ValueError, match=r"curves\.jsonl, line 2: expected a stage and a step"):
        read_curves(tmp_path)
