import json
from dataclasses import replace
from pathlib import Path

import pytest

from lrisc_system.evaluation import EvaluateSettings
from lrisc_system.evaluation.protocol import Protocol, describe_common


def protocol(common=None, **links):
    return Protocol(common or {"crop": 256, "snr_db": (1.0, 4.0)}, links)


def test_the_same_settings_go_on(tmp_path):
    first = protocol(lrisc={"weights": "a"})
    assert first.merge(tmp_path) == first
    first.write(tmp_path / "new")
    assert first.merge(tmp_path / "new").links == first.links


def test_links_may_be_added(tmp_path):
    protocol(lrisc={"weights": "a"}).write(tmp_path)
    merged = protocol(linear={"weights": "b"}).merge(tmp_path)
    assert merged.links == {"lrisc": {"weights": "a"}, "linear": {"weights": "b"}}


def test_other_settings_are_refused(tmp_path):
    protocol(lrisc={"weights": "a"}).write(tmp_path)
    with pytest.raises(ValueError, match=r"that .* was started with, crop 256, got 64"):
        protocol({"crop": 64, "snr_db": (1.0, 4.0)}).merge(tmp_path)
    with pytest.raises(ValueError, match=r"the link lrisc that .*, weights a, got c"):
        protocol(lrisc={"weights": "c"}).merge(tmp_path)
    (tmp_path / "evaluation.json").write_text("{}")
    with pytest.raises(ValueError, match=r"evaluation\.json: expected the settings"):
        protocol().merge(tmp_path)


def test_everything_that_changes_a_row_is_in_it(settings, photos, tmp_path):
    (tmp_path / "vgg").write_bytes(b"weights")
    paths = sorted(photos.iterdir())
    start = describe_common(settings, paths, None, vgg=True)
    assert json.loads(json.dumps(start)) == start
    for changed, images, masks, vgg in [
        (settings, paths[:1], None, True),
        (settings, paths, paths, True),
        (settings, paths, None, False),
        (replace(settings, vgg=tmp_path / "vgg"), paths, None, True),
        (replace(settings, crop=32), paths, None, True),
        (replace(settings, seeds=5), paths, None, True),
        (replace(settings, snr_db=(10.0,)), paths, None, True),
        (replace(settings, bandwidths=()), paths, None, True),
        (replace(settings, cbr=0.1), paths, None, True),
    ]:
        assert describe_common(changed, images, masks, vgg=vgg) != start


def test_the_order_of_the_points_does_not_matter():
    one, two = (
        EvaluateSettings(data=Path("a"), out=Path("b"), snr_db=snr_db)
        for snr_db in ((1.0, 4.0), (4.0, 1.0, 4.0))
    )
    assert describe_common(one, [], None, vgg=True) == describe_common(two, [], None, vgg=True)
