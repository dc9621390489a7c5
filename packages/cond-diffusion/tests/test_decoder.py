import torch
from torch import nn

from cond_diffusion import DiffusionConfig, DiffusionDecoder, UNetConfig

CONFIG = DiffusionConfig(unet=UNetConfig.tiny(), tile_size=64, tile_overlap=16)


class Upsample(nn.Module):
    """A base whose picture is the latent's first three channels, each value a 16 x 16 square."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, y_hat):
        return self.gain * y_hat[:, :3].repeat_interleave(16, 2).repeat_interleave(16, 3)


def awake(decoder, *, deviation=0.05):
    """Give the zero head some weights, so that the U-Net takes part."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        decoder.unet.head.weight.normal_(std=deviation, generator=generator)
    return decoder


def test_one_step_from_a_base_is_the_base_at_start():
    y_hat = torch.rand(2, 8, 2, 3)
    decoder = DiffusionDecoder(CONFIG, base=Upsample())
    image = decoder.decode(y_hat, image_size=(32, 48))
    torch.testing.assert_close(image, Upsample()(y_hat), atol=1e-5, rtol=0)
