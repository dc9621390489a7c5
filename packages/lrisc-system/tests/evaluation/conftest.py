from dataclasses import replace
from types import MappingProxyType

import pytest
import torch

from lrisc_system.config import TINY
from lrisc_system.data.images import save_image
from lrisc_system.evaluation import Arrival, EvaluateSettings, OutOfReachError
from lrisc_system.storage.checkpoint import save_model
from lrisc_system.system import LRISC


@pytest.fixture(scope="session")
def system():
    torch.manual_seed(0)
    system = LRISC(TINY)
    system.hyperprior.channel_scale.copy_(8 * 0.9 ** torch.arange(32.0))
    system.g_a.linear.weight.data.mul_(20)
    system.hyperprior.update()
    return system.eval()


@pytest.fixture(scope="session")
def checkpoint(system, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "tiny"
    save_model(system, folder)
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Two photos of 48 x 64: coarse colours under fine noise."""
    folder = tmp_path_factory.mktemp("photos")
    generator = torch.Generator().manual_seed(0)
    for name in ("apple", "pear"):
        coarse = torch.rand(1, 3, 4, 5, generator=generator)
        image = torch.nn.functional.interpolate(coarse, size=(48, 64), mode="bicubic")
        save_image(
            image + 0.02 * torch.randn(1, 3, 48, 64, generator=generator), folder / f"{name}.png"
        )
    return folder


@pytest.fixture
def settings(photos, checkpoint, tmp_path):
    """A small evaluation of LRISC and the linear link: two points of each kind, one in common."""
    return EvaluateSettings(
        data=photos,
        out=tmp_path / "results",
        checkpoint=checkpoint,
        links=("lrisc", "linear"),
        snr_db=(4.0, 10.0),
        cbr=1 / 24,
        bandwidths=(1 / 24, 1 / 12),
        seeds=2,
        picture_cbr=0.05,
    )


class FakeLink:
    """Adds noise of the channel's strength; serves one bandwidth, or all."""

    identity = MappingProxyType({"weights": "none"})

    def __init__(self, cbr=None):
        self.cbr = cbr
        self.noises = []

    def transmit(self, image, snr_db, *, cbr, saliency, generator):
        if self.cbr not in (None, cbr):
            raise OutOfReachError(f"only CBR {self.cbr}")
        self.noises.append(torch.randn(image.shape, generator=generator))
        received = image + 0.1 * 10 ** (-snr_db / 20) * self.noises[-1]
        return Arrival(received.clamp(0, 1), cbr)

    def nearest_cbr(self, image_size, *, cbr, snr_db):
        return cbr if self.cbr is None else self.cbr


@pytest.fixture
def fake_link():
    return FakeLink


@pytest.fixture
def change():
    """Change settings."""
    return replace
