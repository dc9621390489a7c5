import pytest
import torch

from cond_diffusion import DiffusionDecoder
from entropy_hyperprior import SynthesisTransform
from lrisc_system.config import TINY
from lrisc_system.decoders import SynthesisDecoder, decode_image, takes


def decoders():
    yield SynthesisDecoder(SynthesisTransform(TINY.transform))
    yield DiffusionDecoder(TINY.diffusion, base=SynthesisTransform(TINY.transform))


def test_every_decoder_keeps_the_protocol():
    y_hat, image = torch.randn(2, 32, 4, 5), torch.rand(2, 3, 64, 80)
    for decoder in decoders():
        decoded = decoder.decode(y_hat, image_size=(50, 70), generator=None)
        assert decoded.shape == (2, 3, 50, 70)
        assert 0 <= decoded.min() <= decoded.max() <= 1
        estimate = decoder.estimate(image, y_hat, generator=torch.Generator().manual_seed(0))
        assert estimate.image.shape == image.shape
        assert estimate.weight.shape == (2,)


def test_the_plain_decoder_is_the_synthesis_transform():
    synthesis = SynthesisTransform(TINY.transform)
    y_hat = 0.01 * torch.randn(1, 32, 2, 2)
    decoded = SynthesisDecoder(synthesis).decode(y_hat, image_size=(32, 32))
    assert torch.equal(decoded, synthesis(y_hat).clamp(0, 1))


class OneShot:
    """Decodes at once, to grey."""

    def decode(self, y_hat, *, image_size, generator=None):
        return torch.full((len(y_hat), 3, *image_size), 0.5)

    def estimate(self, image, y_hat, *, generator=None):
        raise NotImplementedError


class Stepped(OneShot):
    """Shows how many steps it was told to take."""

    def decode(self, y_hat, *, image_size, generator=None, steps=None):
        return torch.full((len(y_hat), 3, *image_size), 0.0 if steps is None else float(steps))


def test_steps_reach_a_decoder_that_takes_them():
    y_hat = torch.zeros(1, 32, 1, 1)
    images = [decode_image(Stepped(), y_hat, image_size=(1, 1), steps=n) for n in (None, 3)]
    assert [image.mean().item() for image in images] == [0, 3]
    assert decode_image(OneShot(), y_hat, image_size=(1, 1)).mean() == 0.5
    assert takes(Stepped(), "steps")
    assert not takes(OneShot(), "steps")
    with pytest.raises(ValueError, match=r"no steps for OneShot, .* in several steps, got 3"):
        decode_image(OneShot(), y_hat, image_size=(1, 1), steps=3)


def test_a_sampler_and_a_callback_reach_a_decoder_that_takes_them():
    decoder = DiffusionDecoder(TINY.diffusion, base=SynthesisTransform(TINY.transform))
    y_hat, steps_seen = torch.randn(1, 32, 2, 2), []

    def grey(predict, x, *, timesteps, generator, callback):
        for step, t in enumerate(timesteps):
            callback(step, int(t), x)
        return torch.zeros_like(x)

    image = decode_image(
        decoder,
        y_hat,
        image_size=(20, 30),
        steps=3,
        sampler=grey,
        callback=lambda step, t, x_0: steps_seen.append(step),
    )
    assert torch.equal(image, torch.full((1, 3, 20, 30), 0.5))
    assert steps_seen == [0, 1, 2]
    with pytest.raises(ValueError, match="expected no sampler for Stepped"):
        decode_image(Stepped(), y_hat, image_size=(1, 1), sampler=grey)
    with pytest.raises(ValueError, match="expected no callback for Stepped"):
        decode_image(Stepped(), y_hat, image_size=(1, 1), callback=print)
