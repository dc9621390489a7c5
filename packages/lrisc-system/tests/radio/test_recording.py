from dataclasses import replace

import pytest
import torch

from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.radio.recording import Recording, record_packet, recover_packet
from lrisc_system.radio.single_carrier import SingleCarrier


@pytest.fixture
def packet():
    generator = torch.Generator().manual_seed(0)
    return Packet(
        symbols=torch.randn(200, dtype=torch.complex64, generator=generator),
        rate_stream=b"rates",
        z_stream=b"hyper-latent",
        gain_code=100,
        image_size=(48, 64),
        fingerprint=b"abcd",
    )


def test_a_packet_is_framed_to_nine_tenths_of_full_scale(packet):
    recording = record_packet(packet)
    assert len(recording.samples) == SingleCarrier().length(200)
    assert torch.view_as_real(recording.samples).abs().max() == pytest.approx(0.9)
    assert recording.side is not None
    assert recording.side.symbols.numel() == 0


def test_a_packet_comes_back(packet):
    received, frame = recover_packet(record_packet(packet))
    assert torch.allclose(received.symbols, packet.symbols, atol=0.1)
    assert frame.start == pytest.approx(0, abs=0.01)
    assert received.snr_db == 40  # what the system takes for noiseless


def test_a_recording_without_side_information(packet):
    with pytest.raises(PacketError, match="the recording has no side information"):
        recover_packet(replace(record_packet(packet), side=None))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"samples": torch.zeros(3)}, "complex64"),
        ({"sample_rate_hz": 0.0}, "sample rate"),
        ({"sample_rate_hz": float("nan")}, "sample rate"),
        ({"center_frequency_hz": float("inf")}, "frequency"),
    ],
)
def test_wrong_recordings(wrong, message):
    right = {
        "samples": torch.zeros(3, dtype=torch.complex64),
        "sample_rate_hz": 1e6,
        "center_frequency_hz": 0.0,
    }
    with pytest.raises(ValueError, match=message):
        Recording(**{**right, **wrong})
