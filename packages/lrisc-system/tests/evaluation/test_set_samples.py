import pytest
import torch

from lrisc_system.evaluation import Point
from lrisc_system.evaluation.set_samples import SampleFolder, SetSample

HERE = Point(10.0, 1 / 48)


def sample(seed, *, features=True):
    generator = torch.Generator().manual_seed(seed)
    patterns = {
        period: (
            torch.randn(1, 3, period, period, generator=generator),
            torch.randint(9, (1, 1, period, period), generator=generator).float(),
        )
        for period in (2, 16)
    }
    return SetSample(patterns, torch.rand(5, 8, generator=generator) if features else None)


@pytest.mark.parametrize("features", [True, False])
def test_a_sample_comes_back_with_features_of_half_precision(features):
    one = sample(0, features=features)
    back = SetSample.from_bytes(one.to_bytes())
    for period in (2, 16):
        assert all(map(torch.equal, back.patterns[period], one.patterns[period]))
    if features:
        assert back.features.dtype == torch.float32
        torch.testing.assert_close(back.features, one.features, rtol=2**-11, atol=0)
    else:
        assert back.features is None


def test_a_sample_of_a_crop_is_small():
    assert len(SetSample({}, torch.rand(49, 1024)).to_bytes()) < 101_000


def test_links_points_and_sources_are_kept_apart(tmp_path):
    folder = SampleFolder(tmp_path)
    places = [("lrisc", HERE), ("linear", HERE), ("lrisc", Point(10.0, 1 / 48 + 1e-9))]
    for seed, (link, point) in enumerate(places):
        folder.write(sample(seed), "apple", link=link, point=point)
    folder.write_source(sample(9), "apple")
    for seed, (link, point) in enumerate(places):
        (found,) = folder.read(["apple", "pear"], link=link, point=point)
        assert torch.equal(found.patterns[16][0], sample(seed).patterns[16][0])
    assert folder.has_source("apple")
    assert not folder.has_source("pear")
    (found,) = folder.read_sources(["apple"])
    assert torch.equal(found.patterns[2][0], sample(9).patterns[2][0])
    folder.remove(link="lrisc", point=HERE)
    assert not folder.read(["apple"], link="lrisc", point=HERE)
    assert folder.read(["apple"], link="linear", point=HERE)


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\3\4 half an archive"])
def test_a_foreign_sample_is_one_line(tmp_path, data):
    folder, point = SampleFolder(tmp_path), Point(10.0, 0.1)
    folder.write(sample(0), "apple", link="linear", point=point)
    (path,) = tmp_path.rglob("apple.npz")
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"apple\.npz: expected the sample of an image, cannot"):
        folder.read(["apple"], link="linear", point=point)
