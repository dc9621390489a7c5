"""What the tests of frames and recordings share."""

import pytest
import torch

from lrisc_system.packets.packet import Packet


@pytest.fixture
def packet():
    generator = torch.Generator().manual_seed(0)
    return Packet(
        symbols=torch.randn(1000, dtype=torch.complex64, generator=generator),
        rate_stream=b"rates of the tokens",
        z_stream=b"hyper-latent",
        gain_code=100,
        image_size=(48, 64),
        fingerprint=b"abcd",
    )
