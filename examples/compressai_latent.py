"""Our diffusion decoder on the latent of another project: the `y_hat` of a CompressAI model.

The CompressAI model is not changed. The image of its synthesis transform is the first guess of our
decoder, and its `y_hat` is the condition. The decoder learns the difference to the photo. The model
below is untrained, so that nothing is downloaded. Use `pretrained=True` and photos for good images.

    python examples/compressai_latent.py
"""

import torch
from compressai.zoo import bmshj2018_hyperprior
from torch import Tensor

from cond_diffusion import DiffusionConfig, DiffusionDecoder, UNetConfig


def main(*, steps: int = 20) -> tuple[list[float], Tensor]:
    """Train on synthetic crops; return the losses and a batch of decoded images."""
    torch.manual_seed(0)
    model = bmshj2018_hyperprior(quality=1, pretrained=False).eval().requires_grad_(False)
    unet = UNetConfig.small(latent_channels=model.M)
    decoder = DiffusionDecoder(DiffusionConfig(unet=unet), base=model.g_s)
    optimizer = torch.optim.Adam(decoder.unet.parameters(), lr=1e-3)
    losses = []
    for _ in range(steps):
        coarse = torch.rand(4, 3, 4, 4)
        image = torch.nn.functional.interpolate(coarse, size=64, mode="bicubic").clamp(0, 1)
        y_hat = model.g_a(image).round()  # (4, 192, 4, 4)
        loss = decoder.loss(image, y_hat)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, decoder.decode(y_hat, image_size=(64, 64), steps=4)


if __name__ == "__main__":
    losses, images = main()
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, images {tuple(images.shape)}")
