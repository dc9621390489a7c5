import dataclasses

import pytest
import torch
from torch import nn

from cond_diffusion import DiffusionConfig, DiffusionDecoder, TruncatedDDIM, UNetConfig

CONFIG = DiffusionConfig(
    unet=UNetConfig.tiny(), realism=True, tile_size=64, tile_overlap=16, start_share=1.0
)
SIZE = (32, 48)


@pytest.fixture
def decoder(awaken):
    decoder = DiffusionDecoder(CONFIG)
    awaken(decoder.unet)
    decoder.start_realism()
    nn.init.normal_(decoder.natural_unet.head.weight, std=0.05)
    return decoder


def y_hat(batch=1):
    return torch.randn(batch, 8, 2, 3, generator=torch.Generator().manual_seed(1))


def decode(decoder, realism, *, seed=0, **options):
    noise = torch.Generator().manual_seed(seed)
    return decoder.decode(y_hat(), image_size=SIZE, generator=noise, realism=realism, **options)


def test_realism_starts_from_the_faithful_network_once(awaken):
    decoder = DiffusionDecoder(CONFIG)
    awaken(decoder.unet)
    assert decoder.start_realism()
    assert torch.equal(decode(decoder, 1.0, start=0.0), decode(decoder, 0.0))
    nn.init.ones_(decoder.natural_unet.head.bias)
    assert not decoder.start_realism()
    assert decoder.natural_unet.head.bias.all()


def test_realism_0_is_the_image_of_a_decoder_without_it(decoder):
    plain = DiffusionDecoder(dataclasses.replace(CONFIG, realism=False))
    plain.unet.load_state_dict(decoder.unet.state_dict())
    assert torch.equal(decode(decoder, 0.0), decode(plain, 0.0))
    assert torch.equal(decode(decoder, 0.0, seed=5), decode(plain, 0.0))  # no noise


def test_realism_1_starts_from_noise(decoder):
    noise = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(decode(decoder, 1.0), decode(decoder, 1.0, start=0.3 * noise))
    assert not torch.equal(decode(decoder, 1.0), decode(decoder, 1.0, seed=5))


@pytest.mark.parametrize("options", [{}, {"steps": 3}])
def test_between_both_images_are_interpolated(decoder, options):
    if options:  # several steps start from noise at realism 0 too: draw it twice
        options = options | {"start": torch.randn(1, 3, *SIZE)}
    faithful, natural = (decode(decoder, realism, **options) for realism in (0.0, 1.0))
    between = decode(decoder, 0.25, **options)
    torch.testing.assert_close(between, 0.75 * faithful + 0.25 * natural)


def test_several_steps_take_a_realism_too(decoder):
    assert not torch.equal(decode(decoder, 0.0, steps=3), decode(decoder, 1.0, steps=3))
    one = decode(decoder, 1.0, sampler=TruncatedDDIM(decoder.schedule), steps=1)
    torch.testing.assert_close(one, decode(decoder, 1.0))


def test_the_second_network_is_estimated_from_noise(decoder):
    image, latent = torch.rand(1, 3, *SIZE), y_hat()

    def estimate(natural):
        noise = torch.Generator().manual_seed(3)
        return decoder.estimate(image, latent, generator=noise, natural=natural).image

    estimate(True).sum().backward()
    assert decoder.natural_unet.head.weight.grad is not None
    assert decoder.unet.head.weight.grad is None
    assert not torch.allclose(estimate(True), estimate(False), atol=1e-3)
    decoder.natural_unet.load_state_dict(decoder.unet.state_dict())
    assert not torch.allclose(estimate(True), estimate(False), atol=1e-3)  # because of the noise


@pytest.mark.parametrize("realism", [-0.01, 1.01, float("nan")])
def test_realism_out_of_range(decoder, realism):
    with pytest.raises(ValueError, match=r"expected a realism in \[0, 1\], got"):
        decode(decoder, realism)


def test_realism_deviation_out_of_range():
    with pytest.raises(ValueError, match="expected realism_deviation of at least 0, got -1"):
        dataclasses.replace(CONFIG, realism_deviation=-1.0)


def test_a_decoder_without_it():
    decoder = DiffusionDecoder(dataclasses.replace(CONFIG, realism=False))
    assert not decoder.takes_realism
    assert not decoder.start_realism()
    assert decode(decoder, 0.0).shape == (1, 3, *SIZE)
    for realism in (0.5, 1.0):
        with pytest.raises(ValueError, match="expected a decoder with realism in its config"):
            decode(decoder, realism)
