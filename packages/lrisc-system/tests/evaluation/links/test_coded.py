import pytest
import torch

from jscc_ratetoken import AWGN, Noiseless, RayleighBlock, RayleighFast
from lrisc_system.evaluation.links.coded import CodedLink
from lrisc_system.link import OutOfReachError
from lrisc_system.lrisc_link import LRISCLink
from lrisc_system.radio.frame import Frame, frame_uses

IMAGE = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
EVERYTHING = torch.ones(1, 1, 64, 96)
PIXELS = 3 * 64 * 96


def send(link, snr_db=10.0, cbr=0.05, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return link.transmit(IMAGE, snr_db, cbr=cbr, saliency=EVERYTHING, generator=generator)


@pytest.mark.parametrize("snr_db", [4.0, 10.0, 19.0])
def test_the_whole_frame_fits_the_bandwidth(system, snr_db):
    arrival = send(CodedLink(system), snr_db=snr_db, cbr=0.04)
    assert arrival.delivered
    assert 0.95 * 0.04 < arrival.cbr <= 0.04


def test_it_costs_what_a_frame_of_the_packet_takes(system):
    packet = system.send(
        IMAGE,
        10.0,
        cbr=0.05,
        saliency=EVERYTHING,
        channel_uses=lambda packet: frame_uses(packet, 10.0),
    )
    frame = Frame.from_packet(packet, 10.0)
    assert send(CodedLink(system)).cbr == frame.cbr() == len(frame.samples()) / PIXELS
    assert packet.cbr(10.0) < frame.cbr()


def test_without_a_bandwidth_the_packet_is_that_of_the_ideal_link(system):
    packet = system.send(IMAGE, 19.0, saliency=EVERYTHING)
    arrival = send(CodedLink(system, channel=Noiseless()), snr_db=19.0, cbr=None)
    assert arrival.cbr == Frame.from_packet(packet, 19.0).cbr() > packet.cbr(19.0)
    expected = send(LRISCLink(system, channel=Noiseless()), snr_db=19.0, cbr=None).image
    assert torch.allclose(arrival.image, expected, atol=1e-5)


def test_fading_symbols_arrive_with_one_snr(system, monkeypatch):
    """Cells of different noise power: the SNR is that of the symbols spread over them."""
    told = []
    receive = system.receive

    def spy(packet, snr_db, **options):
        told.append(snr_db)
        return receive(packet, snr_db, **options)

    monkeypatch.setattr(system, "receive", spy)
    send(CodedLink(system), snr_db=10.0)
    assert told.pop() == pytest.approx(10)
    arrivals = [send(CodedLink(system, channel=RayleighFast()), 19.0, seed=s) for s in range(3)]
    assert any(arrival.delivered for arrival in arrivals)
    # E[1 / (1 + n)] of a Rayleigh fade at 19 dB is 1 - x e^x E_1(x) = 0.951, x = 1 / SNR: 12.9 dB.
    assert told == pytest.approx([12.9] * len(told), abs=1)


def test_a_lost_frame_is_grey_and_paid_for(system):
    """Of one fade in a deep hole: the frame is lost, its bandwidth spent."""
    arrivals = [
        send(CodedLink(system, channel=RayleighBlock()), snr_db=6.0, seed=seed) for seed in range(8)
    ]
    lost = [arrival for arrival in arrivals if not arrival.delivered]
    assert 0 < len(lost) < 8
    assert all((arrival.image == 0.5).all() and 0 < arrival.cbr <= 0.05 for arrival in lost)


def test_what_is_out_of_reach(system):
    with pytest.raises(OutOfReachError, match="large enough for the side information"):
        send(CodedLink(system), cbr=0.01)
    with pytest.raises(OutOfReachError, match="for coded side information"):
        send(CodedLink(system), snr_db=-5.0)


def test_its_results_depend_on_its_options(system):
    link = CodedLink(system, channel=AWGN(), identity={"weights": "w"}, margin_db=1.0)
    assert link.identity == {"weights": "w", "alpha": None, "steps": None, "margin_db": 1.0}
    assert link.nearest_cbr((64, 96), cbr=0.05, snr_db=10.0) == 0.05


def test_it_asks_for_the_realism_that_it_was_told(system, monkeypatch):
    asked = []

    def receive(packet, snr_db, **options):
        asked.append({name: options[name] for name in ("realism", "realism_roi", "steps")})
        return IMAGE

    monkeypatch.setattr(system, "receive", receive)
    send(CodedLink(system, realism=1.0, realism_roi=0.5, steps=3))
    assert asked == [{"realism": 1.0, "realism_roi": 0.5, "steps": 3}]
