import pytest
import torch

from jscc_ratetoken import AWGN, RayleighFast
from lrisc_system.config import TINY
from lrisc_system.link import OutOfReachError
from lrisc_system.lrisc_link import LRISCLink
from lrisc_system.system import LRISC

IMAGE = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
EVERYTHING = torch.ones(1, 1, 48, 64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def send(link, cbr=0.05, saliency=EVERYTHING, seed=0):
    return link.transmit(IMAGE, 10.0, cbr=cbr, saliency=saliency, generator=generator(seed))


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    system = LRISC(TINY)
    system.hyperprior.channel_scale.copy_(8 * 0.9 ** torch.arange(32.0))
    system.g_a.linear.weight.data.mul_(20)
    system.hyperprior.update()
    return system.eval()


@pytest.fixture
def link(system):
    return LRISCLink(system, channel=AWGN(), identity={"weights": "w"})


def test_it_is_the_system_itself(system, link):
    received, packet = system.transmit(
        IMAGE, 10.0, cbr=0.05, saliency=EVERYTHING, generator=generator()
    )
    arrival = send(link)
    assert torch.equal(arrival.image, received)
    assert arrival.cbr == packet.cbr(10.0) <= 0.05
    assert arrival.delivered


def test_the_options_reach_the_model(system, link):
    region = EVERYTHING.clone()
    region[..., 32:] = 0.0
    images = [
        send(
            LRISCLink(system, channel=channel, identity={}, alpha=alpha, steps=steps), 0.05, region
        )
        for channel, alpha, steps in [
            (AWGN(), None, None),
            (RayleighFast(), None, None),
            (AWGN(), 1.0, None),
            (AWGN(), None, 4),
        ]
    ]
    for other in images[1:]:
        assert not torch.equal(images[0].image, other.image)


def test_a_bandwidth_below_the_side_information_is_out_of_reach(link):
    with pytest.raises(OutOfReachError, match="side information"):
        send(link, cbr=1e-4)


def test_any_bandwidth_may_be_asked_for(link):
    assert link.nearest_cbr((48, 64), cbr=0.017, snr_db=10.0) == 0.017


def test_weights_and_options_identify_it(system):
    link = LRISCLink(system, channel=AWGN(), identity={"weights": "w"}, alpha=0.5, steps=3)
    assert link.identity == {"weights": "w", "alpha": 0.5, "steps": 3}


def test_without_a_bandwidth_it_sends_at_the_eta_of_its_config(system, link):
    packet = system.send(IMAGE, 10.0, eta=TINY.eta, saliency=EVERYTHING)
    assert send(link, cbr=None).cbr == packet.cbr(10.0)


def test_a_mistake_inside_a_part_is_no_refusal(link, monkeypatch):
    def broken(image):
        raise ValueError("wrong shape")

    monkeypatch.setattr(link.system.g_a, "forward", broken)
    with pytest.raises(ValueError, match="wrong shape") as caught:
        send(link)
    assert not isinstance(caught.value, OutOfReachError)
