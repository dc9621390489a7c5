import math

import pytest
import torch

from jscc_ratetoken import AWGN, Noiseless
from lrisc_system.baselines.linear.analog import AnalogLink
from lrisc_system.evaluation import OutOfReachError
from lrisc_system.evaluation.links.analog import AnalogLinks

IMAGE = torch.rand(1, 3, 16, 16)
ANYTHING = torch.ones(1, 1, 16, 16)


class FakeModel:
    """Takes one bandwidth, whatever the image, and paints it grey of that value."""

    def __init__(self, cbr):
        self.used = cbr

    def transmit(self, image, snr_db, *, channel=None, generator=None):
        symbols = torch.zeros(1, 4, dtype=torch.complex64)
        noise = channel(symbols, snr_db, generator=generator).abs().sum()
        return torch.full_like(image, self.used) + noise

    def cbr(self, image_size, *, snr_db):
        return self.used


def links(*cbrs, channel=None):
    models = [FakeModel(cbr) for cbr in cbrs]
    return AnalogLinks(models, channel=channel or Noiseless(), identity={})


def send(link, cbr, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return link.transmit(IMAGE, 10.0, cbr=cbr, saliency=ANYTHING, generator=generator)


def test_the_nearest_model_serves_a_budget():
    link = links(0.02, 0.04, 0.041)
    for budget, used in [(0.0195, 0.02), (0.0404, 0.04), (0.043, 0.041)]:
        arrival = send(link, budget)
        assert arrival.cbr == used
        assert arrival.image.mean().item() == pytest.approx(used)
        assert arrival.delivered


def test_five_per_cent_is_as_far_as_it_goes():
    link = links(0.02, 0.04)
    assert send(link, 0.0210).cbr == 0.02  # 4.8% of the budget away
    with pytest.raises(OutOfReachError, match=r"the nearest has 0\.0200"):
        send(link, 0.0211)  # 5.2%
    with pytest.raises(OutOfReachError, match=r"within 5% of CBR 0\.0300, the nearest has 0\.0"):
        send(link, 0.03)
    assert link.nearest_cbr((16, 16), cbr=0.028, snr_db=10.0) == 0.02


class Tokens(FakeModel):
    """Takes its bandwidth for the image padded to multiples of 16."""

    def cbr(self, image_size, *, snr_db):
        height, width = image_size
        return self.used * math.ceil(height / 16) * math.ceil(width / 16) * 256 / (height * width)


def test_a_padded_image_is_sent_and_its_padding_counted():
    """481 x 321 is padded to 496 x 336: 7.9% more."""
    image = torch.rand(1, 3, 481, 321)
    link = AnalogLink(Tokens(1 / 48), channel=Noiseless())
    arrival = link.transmit(
        image, 10.0, cbr=1 / 48, saliency=image[:, :1], generator=torch.Generator()
    )
    assert arrival.cbr == pytest.approx(1 / 48 * 496 * 336 / (481 * 321))
    assert arrival.cbr > 1.07 / 48


def test_the_seed_decides_the_noise():
    link = links(0.02, channel=AWGN())
    assert torch.equal(send(link, 0.02, seed=1).image, send(link, 0.02, seed=1).image)
    assert not torch.equal(send(link, 0.02, seed=1).image, send(link, 0.02, seed=2).image)


def test_a_choice_of_models_must_be_told_the_bandwidth():
    with pytest.raises(OutOfReachError, match="expected a CBR for a choice of analog models"):
        send(links(0.02), cbr=None)


def test_one_model_has_a_bandwidth_of_its_own():
    link = AnalogLink(FakeModel(0.02), channel=Noiseless())
    assert send(link, cbr=None).cbr == 0.02
    with pytest.raises(OutOfReachError, match="within 5% of CBR 0"):
        send(link, cbr=0.03)


def test_no_models_are_refused():
    with pytest.raises(ValueError, match="at least one bandwidth"):
        links()
