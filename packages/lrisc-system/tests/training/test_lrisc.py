"""Every part handed in at once, none of them of our classes."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from entropy_hyperprior import AnalysisTransform, Hyperprior, SynthesisTransform
from jscc_ratetoken import JSCCDecoder, JSCCEncoder
from lrisc_system.config import TINY
from lrisc_system.data.images import save_image
from lrisc_system.decoders import PlainEstimate
from lrisc_system.system import LRISC
from lrisc_system.training.lrisc import TrainableLRISC
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.trainer import Trainer


class Wrapped(nn.Module):
    """Somebody's module: it has a forward pass, and none of our optional methods."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, *arguments, **options):
        return self.inner(*arguments, **options)


class MyHyperprior(Wrapped):
    def compress(self, y):
        return self.inner.compress(y)

    def decompress(self, strings, *, latent_size):
        return self.inner.decompress(strings, latent_size=latent_size)

    def update(self):
        self.inner.update()


class MyDecoder(Wrapped):
    def decode(self, y_hat, *, image_size, generator=None):
        height, width = image_size
        return self.inner(y_hat)[..., :height, :width].clamp(0, 1)

    def estimate(self, image, y_hat, *, generator=None):
        return PlainEstimate(self.inner(y_hat), torch.ones(len(image), device=image.device))


class MyDetector(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("level", torch.tensor(0.5))

    def forward(self, image):
        return self.level.expand_as(image[:, :1])


def everything_mine(config):
    return LRISC(
        config,
        g_a=Wrapped(AnalysisTransform(config.transform)),
        hyperprior=MyHyperprior(Hyperprior(config.hyperprior)),
        jscc_encoder=Wrapped(JSCCEncoder(config.codec)),
        jscc_decoder=Wrapped(JSCCDecoder(config.codec)),
        decoder=MyDecoder(SynthesisTransform(config.transform)),
        detector=MyDetector(),
    )


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for index in range(2):
        photo = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(index))
        save_image(photo, folder / f"{index}.png")
    output = tmp_path_factory.mktemp("run")
    return TrainSettings(preset="tiny", data=folder, output=output, workers=0, validation_photos=0)


def test_parts_of_ones_own_train_save_and_load(settings):
    kind = TrainableLRISC(everything_mine)
    Trainer(settings, kind).run()
    loaded = kind.load(settings.output / "model")
    start = everything_mine(TINY)
    assert loaded.state_dict().keys() == start.state_dict().keys()
    image = torch.rand(1, 3, 40, 50)
    received, packet = loaded.transmit(image, 10.0)
    assert received.shape == image.shape
    again = kind.load(settings.output / "model")
    assert torch.equal(again.receive(packet, 10.0), loaded.receive(packet, 10.0))
    with pytest.raises(ValueError, match="expected no steps for MyDecoder, an image decoder that"):
        loaded.receive(packet, 10.0, steps=4)


def test_what_cannot_recompute_is_refused(settings):
    kind, asked = TrainableLRISC(everything_mine), replace(settings, checkpoint_gradients=True)
    with pytest.raises(ValueError, match="a part with the method recompute_gradients"):
        kind.adapt(kind.make(settings), asked)
    model = TrainableLRISC().make(settings)
    TrainableLRISC().adapt(model, asked)
    assert all(unit.checkpoint_gradients for unit in model.decoder.recomputed_modules())
    TrainableLRISC().adapt(model, settings)
    assert not any(unit.checkpoint_gradients for unit in model.decoder.recomputed_modules())
