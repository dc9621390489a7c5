import torch

from cond_diffusion import DiffusionDecoder
from entropy_hyperprior import SynthesisTransform
from lrisc_system.config import TINY
from lrisc_system.decoders import SynthesisDecoder


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
