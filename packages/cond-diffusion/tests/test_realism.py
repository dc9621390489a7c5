import dataclasses

import pytest
import torch
from torch import nn

from cond_diffusion import DiffusionConfig, DiffusionDecoder, TruncatedDDIM, UNetConfig

CONFIG = DiffusionConfig(unet=UNetConfig.tiny(), tile_size=64, tile_overlap=16, start_share=1.0)
SIZE = (32, 48)


@pytest.fixture
def decoder(awaken):
    decoder = DiffusionDecoder(CONFIG)
    awaken(decoder.unet)
    nn.init.normal_(decoder.unet.realism.mlp[-1].weight)
    return decoder


def y_hat(batch=1):
    return torch.randn(batch, 8, 2, 3, generator=torch.Generator().manual_seed(1))


def decode(decoder, realism, *, seed=0, **options):
    noise = torch.Generator().manual_seed(seed)
    return decoder.decode(y_hat(), image_size=SIZE, generator=noise, realism=realism, **options)


def test_it_changes_nothing_before_training(awaken):
    decoder = DiffusionDecoder(CONFIG)
    awaken(decoder.unet)
    faithful, natural = (decode(decoder, realism, start=0.0) for realism in (0.0, 1.0))
    assert torch.equal(faithful, natural)


def test_realism_0_is_the_image_without_it(decoder):
    generator = torch.Generator().manual_seed(0)
    plain = decoder.decode(y_hat(), image_size=SIZE, generator=generator)
    assert torch.equal(decode(decoder, 0.0), plain)
    assert torch.equal(decode(decoder, 0.0, seed=5), plain)  # no noise


def test_realism_starts_from_noise_in_proportion(decoder):
    """The image is that of the same U-Net with the same noise given as the start."""
    noise = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    for realism in (0.25, 1.0):
        given = decode(decoder, realism, start=0.3 * realism * noise)
        assert torch.equal(decode(decoder, realism), given)
        assert not torch.equal(decode(decoder, realism, seed=5), given)
    assert not torch.equal(decode(decoder, 0.25), decode(decoder, 1.0))


def test_the_network_sees_the_realism_beside_the_noise(decoder):
    faithful, natural = (decode(decoder, realism, start=0.0) for realism in (0.0, 1.0))
    assert not torch.equal(faithful, natural)


def test_several_steps_take_a_realism_too(decoder):
    assert not torch.equal(decode(decoder, 0.0, steps=3), decode(decoder, 1.0, steps=3))
    sampler = TruncatedDDIM(decoder.schedule)
    one = decode(decoder, 1.0, sampler=sampler, steps=1)
    torch.testing.assert_close(one, decode(decoder, 1.0))


def test_each_image_is_estimated_at_its_own_realism(decoder):
    image, latent = torch.rand(2, 3, *SIZE), y_hat(2)
    realism = torch.tensor([0.0, 1.0])

    def estimate(asked):
        noise = torch.Generator().manual_seed(3)
        return decoder.estimate(image, latent, generator=noise, realism=asked).image

    both, none = estimate(realism), estimate(None)
    torch.testing.assert_close(both[0], none[0])
    assert not torch.allclose(both[1], none[1], atol=1e-3)


@pytest.mark.parametrize("realism", [-0.01, 1.01, float("nan")])
def test_realism_out_of_range(decoder, realism):
    with pytest.raises(ValueError, match=r"expected a realism in \[0, 1\], got"):
        decode(decoder, realism)


def test_a_network_without_the_input():
    unet = dataclasses.replace(CONFIG.unet, realism=False)
    decoder = DiffusionDecoder(dataclasses.replace(CONFIG, unet=unet))
    assert not decoder.takes_realism
    assert decode(decoder, 0.0).shape == (1, 3, *SIZE)
    with pytest.raises(ValueError, match="expected realism 0, for the network has no input"):
        decode(decoder, 0.5)
    with pytest.raises(ValueError, match="expected a U-Net with an input for the realism"):
        decoder.unet(
            torch.zeros(1, 3, 16, 16),
            torch.zeros(1, 3, 16, 16),
            torch.zeros(1, 8, 1, 1),
            torch.zeros(1),
            torch.ones(1),
        )
