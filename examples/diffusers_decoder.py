"""LRISC with a `diffusers` U-Net and sampler as its image decoder, trained by `lrisc train`.

`DiffusersDecoder` has the two methods of `lrisc_system.ImageDecoder`; LRISC needs nothing else.
`--model` names `make_model`. In the folder of this file:

    pip install diffusers
    accelerate launch -m lrisc_system.train --model diffusers_decoder:make_model \\
        --preset tiny --data photos --output runs/diffusers

The same function loads the trained model:

    load_model("runs/diffusers/model", make_model=make_model)
"""

import torch
from diffusers import DDIMScheduler, UNet2DModel
from torch import Generator, Tensor, nn

from cond_diffusion import Estimate, truncated_snr_weight
from entropy_hyperprior import SynthesisTransform
from lrisc_system import LRISC, LRISCConfig


class DiffusersDecoder(nn.Module):
    """Decode an image by `UNet2DModel`, whose inputs are x_t and the image that g_s gives.

    Args:
        base: y_hat (B, C, h, w) -> first guess (B, 3, 16 h, 16 w) in [0, 1].
        widths: channels of the U-Net's levels, multiples of 8.
        steps: DDIM steps of `decode`.
    """

    def __init__(
        self, base: nn.Module, *, widths: tuple[int, ...] = (16, 32, 32), steps: int = 1
    ) -> None:
        super().__init__()
        self.base = base
        self.steps = steps
        self.unet = UNet2DModel(
            in_channels=6,
            out_channels=3,
            block_out_channels=widths,
            down_block_types=("DownBlock2D",) * len(widths),
            up_block_types=("UpBlock2D",) * len(widths),
            layers_per_block=1,
            norm_num_groups=8,
            add_attention=False,
        )
        nn.init.zeros_(self.unet.conv_out.weight)  # so that training starts at the base image
        nn.init.zeros_(self.unet.conv_out.bias)
        self.scheduler = DDIMScheduler(
            beta_schedule="squaredcos_cap_v2",
            prediction_type="sample",
            timestep_spacing="trailing",
        )

    def predict(self, x_t: Tensor, t: Tensor, base: Tensor) -> Tensor:
        """Predict the image (B, 3, H, W) in [-1, 1] from x_t at times t (B,)."""
        return base + self.unet(torch.cat([x_t, base], dim=1), t).sample

    def estimate(
        self, image: Tensor, y_hat: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """Estimate `image` (B, 3, H, W) from y_hat at a random time, for the training loss."""
        device, scheduler = image.device, self.scheduler
        times = scheduler.config.num_train_timesteps
        t = torch.randint(times, (len(image),), generator=generator, device=device)
        noise = torch.randn(image.shape, generator=generator, device=device)
        x_t = scheduler.add_noise(2 * image - 1, noise, t)
        x_0 = self.predict(x_t, t, 2 * self.base(y_hat) - 1)
        weight = truncated_snr_weight(scheduler.alphas_cumprod.to(device)[t], minimum=1.0)
        return Estimate(image=(x_0 + 1) / 2, weight=weight)

    @torch.no_grad()
    def decode(
        self,
        y_hat: Tensor,
        *,
        image_size: tuple[int, int],
        generator: Generator | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """Decode y_hat (B, C, h, w) to images (B, 3, *image_size) in [0, 1]."""
        base = 2 * self.base(y_hat) - 1
        x_t = torch.randn(base.shape, generator=generator, device=base.device)
        self.scheduler.set_timesteps(self.steps if steps is None else steps, device=base.device)
        for t in self.scheduler.timesteps:
            x_0 = self.predict(x_t, t.expand(len(x_t)), base)
            x_t = self.scheduler.step(x_0, t, x_t, use_clipped_model_output=True).prev_sample
        height, width = image_size
        return ((x_t + 1) / 2)[..., :height, :width].clamp(0, 1)


def make_decoder(config: LRISCConfig) -> DiffusersDecoder:
    """Build the decoder for a model of this config; the closed-form start sets its g_s."""
    return DiffusersDecoder(SynthesisTransform(config.transform))


def make_model(config: LRISCConfig) -> LRISC:
    """Build the model to train."""
    return LRISC(config, decoder=make_decoder(config))
