import math

import numpy as np
import pytest

from lrisc_system.evaluation.statistics import (
    channel_interval,
    estimate,
    image_interval,
    student_t,
)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (10, 2.228), (23, 2.069), (48, 2.011), (10**6, 1.960)],
)
def test_student_by_the_table(freedom, quantile):
    """The table is in every textbook, two-sided 95%."""
    assert student_t(freedom) == pytest.approx(quantile, abs=6e-4)


def test_the_channel_interval_by_hand():
    """Two images, three seeds: variances 1 and 4, so 5 / 3 / 4 = 0.41667 for the mean.

    Satterthwaite: 2 (1 + 4)^2 / (1 + 16) = 2.94 degrees, 2 whole ones: 4.3027 sqrt(0.41667).
    """
    values = np.array([[1.0, 2.0, 3.0], [10.0, 12.0, 14.0]])
    assert channel_interval(values) == pytest.approx(4.3027 * math.sqrt(5 / 12), abs=1e-3)
    # Equal variances: 2 * 2 degrees of freedom.
    values = np.array([[1.0, 2.0, 3.0], [10.0, 11.0, 12.0]])
    assert channel_interval(values) == pytest.approx(2.7764 * math.sqrt(2 / 12), abs=1e-3)


def test_the_image_interval_by_hand():
    """Means of the images 2 and 12: deviation sqrt(50), 12.706 sqrt(50 / 2) = 63.53."""
    values = np.array([[1.0, 2.0, 3.0], [10.0, 12.0, 14.0]])
    assert image_interval(values) == pytest.approx(63.53, abs=0.01)
    assert estimate(values).mean == 7.0


def test_the_channel_interval_does_not_see_how_images_differ():
    values = np.random.default_rng(0).normal(size=(5, 3))
    shifted = values + 100 * np.arange(5)[:, None]
    assert channel_interval(shifted) == pytest.approx(channel_interval(values))
    assert image_interval(shifted) > 10 * image_interval(values)


def test_the_channel_interval_holds_the_truth_as_often_as_it_says():
    """24 images of unequal noise, three seeds; Satterthwaite errs to the safe side."""
    rng = np.random.default_rng(1)
    strength = np.linspace(0.2, 2.0, 24)[:, None]
    held = 0
    for _ in range(20_000):
        values = strength * rng.normal(size=(24, 3))
        held += abs(values.mean()) <= channel_interval(values)
    assert 0.945 < held / 20_000 < 0.965


def test_where_there_is_nothing_to_tell():
    assert math.isnan(channel_interval(np.ones((4, 1))))
    assert math.isnan(image_interval(np.ones((1, 4))))
    assert channel_interval(np.ones((4, 3))) == 0.0
    assert math.isnan(channel_interval(np.full((4, 3), math.nan)))
    assert math.isnan(estimate(np.full((4, 3), math.nan)).mean)
    with pytest.raises(ValueError, match=r"\(images, seeds\), got \(3,\)"):
        estimate(np.ones(3))
