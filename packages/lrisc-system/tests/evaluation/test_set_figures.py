import math

import pytest
import torch

from lrisc_system.evaluation import Point
from lrisc_system.evaluation.set_figures import add_set_figures, measure_set, read_set_figures
from lrisc_system.evaluation.set_samples import SampleFolder, SetSample
from lrisc_system.evaluation.statistics import Estimate
from lrisc_system.evaluation.summary import Summary
from lrisc_system.metrics.feature_distances import frechet_distance, kernel_distance
from lrisc_system.metrics.grid import grid_amplitude, residual_by_phase

HERE = Point(10.0, 1 / 48)
IMAGES = ["apple", "pear"]
SUMMARY = Summary("lrisc", HERE, 2, 3, {"psnr": Estimate(30.0, 0.1, 1.0)})


def features(seed):
    return torch.rand(6, 4, generator=torch.Generator().manual_seed(seed)).half().float()


def pair(seed):
    noise = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(seed)) / 255
    x = torch.full((1, 3, 32, 48), 0.5)
    return x, x + noise


def received(seed):
    patterns = {period: residual_by_phase(*pair(seed), period=period) for period in (2, 4, 8, 16)}
    return SetSample(patterns, features(seed) ** 2)


@pytest.fixture
def folder(tmp_path):
    samples = SampleFolder(tmp_path)
    for seed, image in enumerate(IMAGES):
        samples.write_source(SetSample({}, features(seed)), image)
        samples.write(received(seed), image, link="lrisc", point=HERE)
    return tmp_path


def test_the_figures_are_those_of_all_images_as_one_set(folder):
    (summary,) = add_set_figures([SUMMARY], folder, images=IMAGES)
    before = torch.cat([features(0), features(1)])
    after = (before**2).half().float()
    assert summary.mean("kid_vgg") == pytest.approx(kernel_distance(before, after))
    assert summary.mean("fd_vgg") == pytest.approx(frechet_distance(before, after))
    x, x_hat = (torch.cat(each) for each in zip(pair(0), pair(1), strict=True))
    for period in (2, 4, 8, 16):
        expected = grid_amplitude(x, x_hat, period=period).item()
        assert summary.mean(f"grid_{period}") == pytest.approx(expected)
    assert math.isnan(summary.figures["kid_vgg"].ci95_channel)
    assert summary.figures["psnr"] == SUMMARY.figures["psnr"]


def test_they_are_computed_once_and_the_samples_go(folder):
    first = add_set_figures([SUMMARY], folder, images=IMAGES)
    assert not SampleFolder(folder).read(IMAGES, link="lrisc", point=HERE)
    assert str(add_set_figures([SUMMARY], folder, images=IMAGES)) == str(first)


def test_a_set_that_was_measured_without_samples_has_no_figures(folder):
    elsewhere = Summary("linear", HERE, 2, 3, SUMMARY.figures)
    SampleFolder(folder).write(received(0), "apple", link="linear", point=HERE)
    assert add_set_figures([elsewhere], folder, images=IMAGES) == [elsewhere]
    assert SampleFolder(folder).read(IMAGES, link="linear", point=HERE)


def test_what_is_too_small_or_not_flat_has_no_figure():
    figures = measure_set([SetSample({}, features(0)[:1])], [SetSample({}, features(1)[:1])])
    assert all(map(math.isnan, figures.values()))
    busy = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    patterns = {2: residual_by_phase(busy, busy, period=2)}
    figures = measure_set([], [SetSample(patterns, None)])
    assert math.isnan(figures["grid_2"])
    assert math.isnan(figures["kid_vgg"])


@pytest.mark.parametrize("text", ["3", "[]", "{}", "no json", '{"link": "a", "point": 3}'])
def test_foreign_figures_are_one_line(tmp_path, text):
    (tmp_path / "sets.jsonl").write_text(text)
    with pytest.raises(ValueError, match=r"sets\.jsonl: expected the figures of sets, cannot"):
        read_set_figures(tmp_path / "sets.jsonl")
