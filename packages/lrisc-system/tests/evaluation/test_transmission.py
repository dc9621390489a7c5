import pytest
import torch

from lrisc_system.evaluation import Point
from lrisc_system.evaluation.measure import Scene, Yardsticks
from lrisc_system.evaluation.rows import Refusal, Task
from lrisc_system.evaluation.transmission import perform, transmit


@pytest.fixture(scope="module")
def yardsticks():
    return Yardsticks.load(None, device=torch.device("cpu"))


@pytest.fixture
def scene(yardsticks):
    image = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    return Scene("apple", image, image[:, :1], image[:, :1], yardsticks=yardsticks)


def test_links_and_points_share_the_draws(fake_link, scene):
    one, two = fake_link(), fake_link()
    transmit(one, scene, Point(1.0, 0.1), seed=0)
    transmit(two, scene, Point(10.0, 0.2), seed=0)
    assert torch.equal(one.noises[0], two.noises[0])


def test_seeds_and_images_do_not(fake_link, scene):
    link = fake_link()
    transmit(link, scene, Point(1.0, 0.1), seed=0)
    transmit(link, scene, Point(1.0, 0.1), seed=1)
    scene.name = "pear"
    transmit(link, scene, Point(1.0, 0.1), seed=0)
    first, second, third = link.noises
    assert not torch.equal(first, second)
    assert not torch.equal(first, third)


def test_a_task_becomes_a_row(fake_link, scene):
    task = Task("fake", "apple", Point(20.0, 0.1), 0)
    row = perform(task, fake_link(), scene)
    assert row.task == task
    assert (row.cbr, row.delivered) == (0.1, True)
    assert row.measurement.psnr == pytest.approx(40.0, abs=0.5)  # noise of a hundredth
    assert row.seconds > 0


def test_a_bandwidth_out_of_reach_becomes_a_refusal(fake_link, scene):
    task = Task("fake", "apple", Point(20.0, 0.1), 0)
    assert perform(task, fake_link(cbr=0.5), scene) == Refusal(task, "only CBR 0.5")
