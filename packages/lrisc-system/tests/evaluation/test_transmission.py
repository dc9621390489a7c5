import pytest
import torch

from lrisc_system.evaluation import Point
from lrisc_system.evaluation.measure import EvaluationImage, MetricNetworks
from lrisc_system.evaluation.rows import Refusal, Task
from lrisc_system.evaluation.set_samples import SampleFolder
from lrisc_system.evaluation.transmission import perform, transmit


@pytest.fixture(scope="module")
def networks():
    return MetricNetworks.load(None, device=torch.device("cpu"))


@pytest.fixture
def source(networks):
    image = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    return EvaluationImage("apple", image, image[:, :1], image[:, :1], networks=networks)


def test_links_and_points_share_the_draws(fake_link, source):
    one, two = fake_link(), fake_link()
    transmit(one, source, Point(1.0, 0.1), seed=0)
    transmit(two, source, Point(10.0, 0.2), seed=0)
    assert torch.equal(one.noises[0], two.noises[0])


def test_seeds_and_images_do_not(fake_link, source):
    link = fake_link()
    transmit(link, source, Point(1.0, 0.1), seed=0)
    transmit(link, source, Point(1.0, 0.1), seed=1)
    source.name = "pear"
    transmit(link, source, Point(1.0, 0.1), seed=0)
    first, second, third = link.noises
    assert not torch.equal(first, second)
    assert not torch.equal(first, third)


@pytest.fixture
def samples(tmp_path):
    return SampleFolder(tmp_path)


def test_a_task_becomes_a_row(fake_link, source, samples):
    task = Task("fake", "apple", Point(20.0, 0.1), 0)
    row = perform(task, fake_link(), source, samples=samples)
    assert row.task == task
    assert (row.cbr, row.delivered) == (0.1, True)
    assert row.measurement.psnr == pytest.approx(40.0, abs=0.5)  # noise of a hundredth
    assert row.seconds > 0


def test_the_first_draw_leaves_a_sample_of_its_set(fake_link, source, samples):
    point = Point(20.0, 0.1)
    for seed in (1, 0):
        assert not samples.read(["apple"], link="fake", point=point)
        perform(Task("fake", "apple", point, seed), fake_link(), source, samples=samples)
    (sample,) = samples.read(["apple"], link="fake", point=point)
    expected = source.sample(transmit(fake_link(), source, point, seed=0).image)
    assert torch.equal(sample.patterns[16][0], expected.patterns[16][0])
    assert samples.has_source("apple")


def test_a_bandwidth_out_of_reach_becomes_a_refusal(fake_link, source, samples):
    task = Task("fake", "apple", Point(20.0, 0.1), 0)
    refusal = perform(task, fake_link(cbr=0.5), source, samples=samples)
    assert refusal == Refusal(task, "only CBR 0.5")
    assert not samples.folder.exists()
