import json

import pytest
import torch

from lrisc_system.data.images import load_image
from lrisc_system.evaluation import Point
from lrisc_system.evaluation.links.registry import LINKS
from lrisc_system.evaluation.measure import EvaluationImage, MetricNetworks
from lrisc_system.evaluation.report.pictures import (
    Caption,
    choose_pictures,
    draw_pictures,
    take_pictures,
)

POINT = Point(10.0, 0.017)


@pytest.fixture(scope="module")
def networks():
    return MetricNetworks.load(None, device=torch.device("cpu"))


@pytest.fixture
def sources(networks):
    """One landscape, one portrait."""
    sources = []
    for name, size in (("apple", (48, 64)), ("pear", (64, 48))):
        image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
        sources.append(EvaluationImage(name, image, image[:, :1], image[:, :1], networks=networks))
    return sources


def test_three_spread_over_all_or_those_that_were_named():
    names = [f"kodim{number:02d}" for number in range(1, 25)]
    assert choose_pictures(names, ()) == ["kodim01", "kodim09", "kodim17"]
    assert choose_pictures(names[:2], ()) == ["kodim01", "kodim02"]
    assert choose_pictures(names, ("kodim20", "kodim03")) == ["kodim20", "kodim03"]
    with pytest.raises(ValueError, match="'kodim99'"):
        choose_pictures(names, ("kodim99",))


def test_each_link_shows_what_it_can(fake_link, sources, tmp_path):
    links = {"lrisc": fake_link(), "deepjscc": fake_link(cbr=0.02), "ideal-420": fake_link()}
    take_pictures(sources[0], links, POINT, tmp_path)
    folder = tmp_path / "pictures" / "apple"
    assert sorted(path.name for path in folder.glob("*.png")) == [
        "deepjscc.png",
        "lrisc.png",
        "source.png",
    ]
    caption = Caption(**json.loads((folder / "deepjscc.json").read_text()))
    assert caption.cbr == 0.02
    received = load_image(folder / "deepjscc.png")
    assert caption.psnr == pytest.approx(sources[0].measure(received).psnr)


def test_pictures_that_are_there_stay(fake_link, sources, tmp_path):
    link = fake_link()
    for _ in range(2):
        take_pictures(sources[0], {"lrisc": link}, POINT, tmp_path)
    assert len(link.noises) == 1


def test_a_caption_says_what_was_lost():
    assert str(Caption(0.017, True, 25.0, 0.2)) == "CBR 0.0170\n25.00 dB, LPIPS 0.200"
    assert str(Caption(0.017, False, 9.0, 0.9)).startswith("not delivered, CBR 0.0170\n")


def test_the_source_stands_first(fake_link, sources, tmp_path):
    links = {"linear": fake_link(), "lrisc": fake_link()}
    take_pictures(sources[0], links, POINT, tmp_path)
    take_pictures(sources[1], {"lrisc": links["lrisc"]}, POINT, tmp_path)
    figure = draw_pictures(["apple", "pear"], tmp_path, title="Both")
    assert len(figure.axes) == 2 * 3
    assert [axis.get_title() for axis in figure.axes[:3]] == ["source", "LRISC", "linear (KLT)"]
    assert figure.axes[1].title.get_color() == LINKS["lrisc"].colour
    labels = [axis.get_xlabel() for axis in figure.axes]
    assert labels[0] == "apple"
    assert labels[1].startswith("CBR 0.0170")
    assert labels[5] == "bandwidth out of reach"


def test_no_words_overlap(fake_link, sources, tmp_path):
    links = {name: fake_link() for name, kind in LINKS.items() if not kind.bound}
    for source in sources:
        take_pictures(source, links, POINT, tmp_path)
    figure = draw_pictures(["apple", "pear"], tmp_path, title="Both")
    figure.draw_without_rendering()
    words = [axis.title for axis in figure.axes if axis.get_title()]
    words += [axis.xaxis.label for axis in figure.axes]
    boxes = [word.get_window_extent() for word in words]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
