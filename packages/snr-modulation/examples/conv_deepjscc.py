"""Add SNR adapters to a trained convolutional DeepJSCC.

The model stands for a model of another project: a small DeepJSCC, trained at 10 dB, without an SNR
input. Two adapters are inserted, before and after its channel. They start as the identity, so the
output does not change. Then only the adapters are trained, at random SNR.

Run: python examples/conv_deepjscc.py
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snr_modulation import SNRAdapter, check, format_report, synthetic_images

CHANNELS = 16


class DeepJSCC(nn.Module):
    """A model without SNR input: image -> channel symbols -> image."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            nn.Conv2d(3, 32, 5, stride=2, padding=2),
            nn.PReLU(),
            nn.Conv2d(32, CHANNELS, 5, stride=2, padding=2),
        )
        self.decode = nn.Sequential(
            nn.ConvTranspose2d(CHANNELS, 32, 6, stride=2, padding=2),
            nn.PReLU(),
            nn.ConvTranspose2d(32, 3, 6, stride=2, padding=2),
            nn.Sigmoid(),
        )

    def forward(self, image: Tensor, snr_db: Tensor | float) -> Tensor:
        """Send images (B, 3, H, W), H and W multiples of 4."""
        latent = self.encode(image)  # (B, 3, H, W) -> (B, 16, H/4, W/4)
        return self.decode(transmit(latent, snr_db))


class AdaptiveDeepJSCC(nn.Module):
    """The same model with an adapter on each side of the channel."""

    def __init__(self, model: DeepJSCC) -> None:
        super().__init__()
        self.model = model
        self.sender = SNRAdapter(CHANNELS, identity=True)
        self.receiver = SNRAdapter(CHANNELS, identity=True)

    def forward(self, image: Tensor, snr_db: Tensor | float) -> Tensor:
        """Send with adapters that get the true SNR."""
        return self.believe(image, snr_db, snr_db)

    def believe(self, image: Tensor, snr_db: Tensor | float, estimate_db: Tensor | float) -> Tensor:
        """Send at ``snr_db`` with adapters that get ``estimate_db``."""
        latent = self.sender(self.model.encode(image), estimate_db)
        return self.model.decode(self.receiver(transmit(latent, snr_db), estimate_db))


def transmit(latent: Tensor, snr_db: Tensor | float) -> Tensor:
    """Normalise each image's power to 1 and add white Gaussian noise."""
    power = latent.square().mean(dim=(1, 2, 3), keepdim=True)
    noise_power = 10 ** (-torch.as_tensor(snr_db, dtype=latent.dtype).reshape(-1, 1, 1, 1) / 10)
    return latent * power.clamp(min=1e-8).rsqrt() + noise_power.sqrt() * torch.randn_like(latent)


def train(
    model: nn.Module, parameters: list[nn.Parameter], *, snrs_db: tuple[float, float], steps: int
) -> None:
    """Minimise the squared error, one random SNR per sample between the two ``snrs_db``."""
    images = synthetic_images(128, size=32, seed=1)
    optimizer = torch.optim.Adam(parameters, lr=2e-3)
    lowest, highest = snrs_db
    for _ in range(steps):
        batch = images[torch.randint(len(images), (16,))]
        snr_db = lowest + (highest - lowest) * torch.rand(16)
        optimizer.zero_grad()
        F.mse_loss(model(batch, snr_db), batch).backward()
        optimizer.step()


def main(*, steps: int = 300) -> dict[str, tuple[float, ...]]:
    """Train the model, add adapters, train them; return PSNR over SNR before and after."""
    torch.manual_seed(0)
    images = synthetic_images(8, size=32)
    model = DeepJSCC()
    train(model, list(model.parameters()), snrs_db=(10, 10), steps=steps)
    before = check(model, images)

    upgraded = AdaptiveDeepJSCC(model)
    if check(upgraded, images).psnr_db != before.psnr_db:
        raise RuntimeError("expected the adapters to start as the identity, got another output")

    adapters = [*upgraded.sender.parameters(), *upgraded.receiver.parameters()]
    train(upgraded, adapters, snrs_db=(-2, 20), steps=steps)
    after = check(upgraded, images, mismatched=upgraded.believe)

    print("before:\n", format_report(before), "\n\nafter:\n", format_report(after), sep="")
    return {"before": before.psnr_db, "after": after.psnr_db}


if __name__ == "__main__":
    main()
