import importlib.util

import pytest
import torch

from jscc_ratetoken import AWGN
from lrisc_system.baselines import (
    HEVC_420,
    HEVC_444,
    SeparationLink,
    awgn_capacity,
    ideal_link,
    rayleigh_capacity,
)
from lrisc_system.evaluation import OutOfReachError
from lrisc_system.evaluation.links.link import UnavailableError
from lrisc_system.evaluation.links.separation import IdealLink, LDPCLink, encodings

needs_extra = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("pillow_heif",))),
    reason="needs lrisc-system[separation]",
)
NOTHING = torch.zeros(1, 1, 64, 96)


@pytest.fixture(scope="module")
def image():
    coarse = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(64, 96), mode="bicubic").clamp(0, 1)


def send(link, image, snr_db=10.0, cbr=0.1):
    generator = torch.Generator().manual_seed(0)
    return link.transmit(image, snr_db, cbr=cbr, saliency=NOTHING, generator=generator)


@needs_extra
def test_ldpc_is_the_separation_link(image):
    separation = SeparationLink(AWGN(), trials=5)
    arrival = send(LDPCLink(HEVC_420, link=separation), image)
    expected = separation.transmit(
        encodings(image, HEVC_420), 10.0, cbr=0.1, generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(arrival.image, expected.image)
    assert (arrival.cbr, arrival.delivered) == (expected.cbr, True)


@needs_extra
def test_what_is_not_delivered_says_so(image):
    link = LDPCLink(HEVC_420, link=SeparationLink(AWGN(), trials=2))
    arrival = send(link, image, cbr=0.0005)  # nine symbols do not carry an image
    assert not arrival.delivered
    assert arrival.cbr == 0.0


@needs_extra
def test_ideal_codes_reach_the_capacity_of_the_channel(image):
    arrival = send(IdealLink(HEVC_444, capacity=rayleigh_capacity), image)
    expected = ideal_link(encodings(image, HEVC_444), cbr=0.1, capacity=rayleigh_capacity(10.0))
    assert torch.equal(arrival.image, expected.image)
    faded = arrival.image - image
    clear = send(IdealLink(HEVC_444, capacity=awgn_capacity), image).image - image
    assert clear.square().mean() < faded.square().mean()


@needs_extra
def test_links_share_the_encodings_of_an_image(image):
    assert encodings(image, HEVC_420) is encodings(image, HEVC_420)
    assert encodings(image, HEVC_420) is not encodings(image, HEVC_444)
    assert encodings(image.clone(), HEVC_420) is not encodings(image, HEVC_420)


@needs_extra
def test_separation_has_no_bandwidth_of_its_own(image):
    for link in (
        IdealLink(HEVC_420, capacity=awgn_capacity),
        LDPCLink(HEVC_420, link=SeparationLink(AWGN())),
    ):
        with pytest.raises(OutOfReachError, match="expected a CBR for HEVC"):
            send(link, image, cbr=None)


@needs_extra
def test_any_bandwidth_may_be_asked_for():
    for link in (
        IdealLink(HEVC_420, capacity=awgn_capacity),
        LDPCLink(HEVC_420, link=SeparationLink(AWGN())),
    ):
        assert link.nearest_cbr((64, 96), cbr=0.017, snr_db=10.0) == 0.017
        assert "pillow-heif" in link.identity


def test_a_missing_part_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"lrisc-system\[separation\]"):
        LDPCLink(HEVC_420, link=SeparationLink(AWGN()))
