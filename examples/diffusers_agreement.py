"""Compare our noise schedule and DDIM with those of `diffusers`, for one network and one start.

Our sampler predicts at n times with equal strides from T - 1 down to 0. In `DDIMScheduler` the same
times are n - 1 "leading" steps, offset by one stride, and a last prediction at time 0.

    pip install diffusers
    python examples/diffusers_agreement.py
"""

from collections.abc import Callable

import torch
from diffusers import DDIMScheduler, UNet2DModel
from torch import Tensor, nn

from cond_diffusion import (
    CosineSchedule,
    DiffusionConfig,
    DiffusionDecoder,
    UNetConfig,
    ddim_sample,
)

Predict = Callable[[Tensor, Tensor], Tensor]  # (x_t (B, 3, H, W), t (B,)) -> x_0


def schedule_of_diffusers(steps: int, *, stride: int = 1) -> DDIMScheduler:
    """Build their scheduler with the form and the T of ours; it predicts the image too."""
    return DDIMScheduler(
        num_train_timesteps=steps,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="sample",
        timestep_spacing="leading",
        steps_offset=stride,
    )


@torch.no_grad()
def sample_by_diffusers(
    predict: Predict, x_T: Tensor, *, times: int, steps: int, alpha_bar: Tensor | None = None
) -> Tensor:
    """Decode as `ddim_sample` does, by `DDIMScheduler`.

    Args:
        predict: the network.
        x_T: the start.
        times: T; T - 1 is a multiple of `steps - 1`.
        steps: number of predictions.
        alpha_bar: (T,), replaces theirs.
    """
    scheduler = schedule_of_diffusers(times, stride=(times - 1) // (steps - 1))
    if alpha_bar is not None:
        scheduler.alphas_cumprod = alpha_bar
    scheduler.set_timesteps(steps - 1)
    x_t = x_T
    for t in [*scheduler.timesteps, torch.tensor(0)]:
        x_0 = predict(x_t, t.expand(len(x_t)))
        x_t = scheduler.step(x_0, t, x_t, use_clipped_model_output=True).prev_sample
    return x_t


def our_network(schedule: CosineSchedule) -> Predict:
    """Build our decoder for a random latent; the last layer of its U-Net is random, not zero."""
    config = DiffusionConfig(
        unet=UNetConfig.small(latent_channels=32), schedule_steps=schedule.steps
    )
    decoder = DiffusionDecoder(config, base=nn.ConvTranspose2d(32, 3, 16, stride=16))
    nn.init.normal_(decoder.unet.head.weight, std=0.05)
    y_hat = torch.randn(1, 32, 2, 2)
    base = 2 * decoder.base(y_hat) - 1
    return lambda x_t, t: decoder.predict(x_t, t, y_hat, base=base)


def their_network() -> Predict:
    """Build an untrained U-Net of theirs."""
    unet = UNet2DModel(
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
    )
    return lambda x_t, t: unet(x_t, t).sample


@torch.no_grad()
def main() -> dict[str, float]:
    """Compare; return the largest difference of each comparison."""
    torch.manual_seed(0)
    schedule = CosineSchedule()
    times, x_T = schedule.steps, torch.randn(1, 3, 32, 32)
    theirs = schedule_of_diffusers(times).alphas_cumprod
    gaps = {"alpha_bar": (schedule.alpha_bar - theirs).abs().max().item()}
    for steps in (5, 17, 65):
        ours, unet = our_network(schedule), their_network()
        by_us = ddim_sample(ours, x_T, schedule=schedule, steps=steps)
        by_them = sample_by_diffusers(ours, x_T, times=times, steps=steps)
        gaps[f"our network, {steps} steps"] = (by_us - by_them).abs().max().item()
        # An untrained network amplifies the rounding error of their product of 8193 factors to
        # 3e-5, so both samplers use the same alpha_bar here.
        by_us = ddim_sample(unet, x_T, schedule=schedule, steps=steps)
        by_them = sample_by_diffusers(
            unet, x_T, times=times, steps=steps, alpha_bar=schedule.alpha_bar
        )
        gaps[f"their network, {steps} steps"] = (by_us - by_them).abs().max().item()
    return gaps


if __name__ == "__main__":
    for name, gap in main().items():
        print(f"{name}: {gap:.1e}")
