import dataclasses

import pytest

from lrisc_system.config import PAPER, PRESETS, TINY, LRISCConfig, preset


def test_the_paper_preset_has_the_papers_numbers():
    assert PAPER.transform.latent_channels == 256
    assert PAPER.protected == 64
    assert PAPER.alpha == 0.2
    assert PAPER.diffusion.unet.base_channels == 64
    assert PAPER.diffusion.unet.units == 6
    assert PAPER.adapter_hidden == int(1.5 * 256)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_json_round_trip(name):
    config = preset(name)
    assert LRISCConfig.from_json(config.to_json()) == config


def test_unknown_preset():
    with pytest.raises(ValueError, match=r"\['base', 'paper', 'small', 'tiny'\], got 'huge'"):
        preset("huge")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 1.5}, "alpha"),
        ({"eta": 0.0}, "eta"),
        ({"eta": float("nan")}, "eta"),
        ({"protected": 1000}, "protected"),
        ({"adapter_hidden": 0}, "adapter_hidden"),
        ({"transform": PAPER.transform}, "latent channels"),
    ],
)
def test_wrong_numbers(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **change)


@pytest.mark.parametrize(
    "text", ["not json", "[]", '{"colour": 1}', '{"transform": {"colour": 1}}', "{}"]
)
def test_foreign_json(text):
    with pytest.raises(ValueError, match=r".+"):
        LRISCConfig.from_json(text)
