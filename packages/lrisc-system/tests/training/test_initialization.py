import pytest
import torch
from torch import nn

from entropy_hyperprior import SynthesisTransform
from lrisc_system.commands.demo import PHOTO
from lrisc_system.config import TINY
from lrisc_system.data.images import load_image
from lrisc_system.data.photos import PhotoCrops
from lrisc_system.decoders import SynthesisDecoder
from lrisc_system.system import LRISC
from lrisc_system.training.initialization import (
    cut_patches,
    measure_latent_scale,
    start_in_closed_form,
)


def test_patches_by_hand():
    image = torch.arange(2 * 32 * 16.0).reshape(1, 32, 32).expand(3, 32, 32)
    patches = cut_patches(image)
    assert patches.shape == (4, 3, 16, 16)
    assert torch.equal(patches[1], image[:, :16, 16:])
    assert torch.equal(patches[2], image[:, 16:, :16])


class Means(nn.Module):
    """An encoder without a closed form: 32 times the mean of each patch."""

    def forward(self, image):
        return 32 * nn.functional.avg_pool2d(image, 16)[:, :1].expand(-1, 32, -1, -1)


def test_without_a_closed_form_the_latent_is_measured():
    """Patches of 0 and 1 give 0 and 32: the deviation of (0, 32) is sqrt(512)."""
    system = LRISC(TINY, g_a=Means())
    image = torch.zeros(3, 16, 32)
    image[:, :, 16:] = 1
    scale = measure_latent_scale(system, [image])
    torch.testing.assert_close(scale, torch.full((32,), 512.0).sqrt())
    start_in_closed_form(system, PhotoCrops([PHOTO]), patches=256)
    assert torch.equal(
        system.hyperprior.channel_scale, system.decoder.unet.conditioner.latent_scale
    )
    assert system.hyperprior.channel_scale.unique().numel() == 1
    assert system.hyperprior.channel_scale[0] > 1  # it was 1


@pytest.mark.parametrize("wrap", [lambda module: module, torch.compile])
def test_a_decoder_of_ones_own_is_started_through_its_g_s(wrap):
    system = LRISC(TINY, decoder=SynthesisDecoder(wrap(SynthesisTransform(TINY.transform))))
    start_in_closed_form(system, PhotoCrops([PHOTO]), patches=2048)
    image = load_image(PHOTO)[..., :64, :64]
    with torch.no_grad():
        again = system.decoder.synthesis.linear(system.g_a(image))
    assert (again - image).square().mean() < 0.005


class Plain(nn.Module):
    """A decoder that knows no closed form."""

    def __init__(self):
        super().__init__()
        self.grey = nn.Parameter(torch.zeros(1))

    def decode(self, y_hat, *, image_size, generator=None):
        return self.grey.expand(len(y_hat), 3, *image_size).sigmoid()

    def estimate(self, image, y_hat, *, generator=None):
        raise NotImplementedError


def test_a_decoder_without_a_closed_form_stays_as_it_is():
    system = LRISC(TINY, decoder=Plain())
    start_in_closed_form(system, PhotoCrops([PHOTO]), patches=256)
    assert system.decoder.grey == 0
    assert system.hyperprior.channel_scale.unique().numel() > 1
