import math

import pytest

from lrisc_system.training.recipes import Stage
from lrisc_system.training.schedule import (
    StepSchedule,
    TimeSchedule,
    learning_rate,
    rate_scale,
)

# 10 x 2 x 16^2 = 5,120 pixels and 10 x 2 x 32^2 = 20,480: a fifth and four fifths of the time.
STAGES = (
    Stage("first", trainable=("",), steps=10, batch_size=2, crop=16),
    Stage("second", trainable=("",), steps=10, batch_size=2, crop=32),
)


def test_by_steps_a_stage_goes_from_0_at_its_first_step_to_1_at_its_last():
    schedule = StepSchedule(STAGES)
    assert [schedule.progress(0, step, 1e9) for step in (0, 9)] == [0, 1]
    assert not schedule.is_over(0, 9, 1e9)
    assert schedule.is_over(0, 10, 0)
    assert schedule.last_step(1) == 10


def test_by_minutes_stages_share_the_time_by_their_pixels():
    schedule = TimeSchedule(STAGES, minutes=10)  # 120 s and 480 s
    assert schedule.progress(0, 0, 60.0) == pytest.approx(0.5)
    assert not schedule.is_over(0, 10_000, 119.9)
    assert schedule.is_over(0, 0, 120.0)
    assert schedule.progress(1, 0, 120.0) == pytest.approx(0)
    assert schedule.progress(1, 0, 360.0) == pytest.approx(0.5)
    assert schedule.progress(1, 0, 700.0) == 1
    assert schedule.is_over(1, 0, 600.0)
    assert schedule.last_step(1) is None


@pytest.mark.parametrize("minutes", [0, -1, math.inf, math.nan])
def test_minutes_are_a_number_above_0(minutes):
    with pytest.raises(ValueError, match="expected minutes above 0"):
        TimeSchedule(STAGES, minutes=minutes)


def test_the_learning_rate_falls_by_half_a_cosine_after_its_warmup():
    stage = Stage("x", trainable=("",), learning_rate=1.0, final_learning_rate=0.2, warmup=4)
    assert learning_rate(stage, progress=0, step=0) == pytest.approx(0.25)
    assert learning_rate(stage, progress=0, step=3) == pytest.approx(1)
    assert learning_rate(stage, progress=0.5, step=50) == pytest.approx(0.6)
    assert learning_rate(stage, progress=1, step=99) == pytest.approx(0.2)


def test_lambda_comes_in_from_a_tenth():
    stage = Stage("x", trainable=("",), rate_warmup=10)
    assert rate_scale(stage, 0) == pytest.approx(0.1)
    assert rate_scale(stage, 5) == pytest.approx(0.55)
    assert rate_scale(stage, 10) == 1
