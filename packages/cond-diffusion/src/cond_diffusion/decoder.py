"""The image decoder of the receiver: conditional diffusion on the latent."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from cond_diffusion.condition import LATENT_STRIDE
from cond_diffusion.config import DiffusionConfig
from cond_diffusion.decoding import crop_latent, sample_image
from cond_diffusion.estimate import Estimate, draw_sample
from cond_diffusion.hub import load, save
from cond_diffusion.objective import diffusion_loss, truncated_snr_weight
from cond_diffusion.samplers import Callback, Sampler
from cond_diffusion.schedule import CosineSchedule
from cond_diffusion.tiled import TiledPredictor
from cond_diffusion.unet import ConditionalUNet, UNetConfig, Unit


class DiffusionDecoder(nn.Module):
    """Decode `y_hat` to an image by a diffusion model that predicts the image.

    Source: LRISC Sec. II-C and III-A.4, Eqs. (8)-(11). `X_theta` starts in closed form, as the
    best linear estimate from `x_t` and a base image; the U-Net adds a branch that starts at zero.

    Args:
        config: settings.
        base: `y_hat (B, C, h, w) -> first guess (B, 3, 16 h, 16 w)` on the scale of [0, 1];
            mid-grey with variance 1 by default.
    """

    def __init__(self, config: DiffusionConfig, *, base: nn.Module | None = None):
        super().__init__()
        self.config = config
        self.base = base
        self.schedule = CosineSchedule(config.schedule_steps)
        self.unet = ConditionalUNet(config.unet)
        self.natural_unet = ConditionalUNet(config.unet) if config.realism else None

    @property
    def takes_realism(self) -> bool:
        """Whether there is a second U-Net, for natural images."""
        return self.natural_unet is not None

    def start_realism(self) -> bool:
        """Start the second U-Net from the first, if it has not been trained; tell whether."""
        if self.natural_unet is None or self.natural_unet.head.weight.any():
            return False
        self.natural_unet.load_state_dict(self.unet.state_dict())
        return True

    def predict(
        self,
        x_t: Tensor,
        t: Tensor,
        y_hat: Tensor,
        *,
        base: Tensor,
        natural: bool = False,
    ) -> Tensor:
        """Predict the image, `X_theta(x_t, y_hat, t / T)` of Eqs. (9) and (10).

        With `x_0 ~ Normal(base, v)` and `x_t ~ Normal(sqrt(abar) x_0, 1 - abar)`, the posterior
        mean is `base + gain * (x_t - sqrt(abar) base)`, finite for abar in [0, 1]. The U-Net's
        branch is scaled by the posterior deviation over `sqrt(v)`: 1 at the start, 0 at the end.

        Args:
            x_t: (B, 3, H, W) on the scale of [-1, 1].
            t: times (B,).
            y_hat: (B, C, H/16, W/16).
            base: first guess, shaped as `x_t`, on the scale of [-1, 1].
            natural: predict by the second U-Net.

        Raises:
            ValueError: if there is no second U-Net.
        """
        unet = self.natural_unet if natural else self.unet
        if unet is None:
            raise ValueError("expected a decoder with realism in its config, got one without")
        variance = self.config.base_variance if self.base is not None else 1.0
        x_t, base = x_t.float(), base.float()
        alpha_bar = self.schedule.alpha_bar[t].view(-1, 1, 1, 1)  # (B,) -> (B, 1, 1, 1)
        innovation = variance * alpha_bar + (1 - alpha_bar)
        gain = variance * alpha_bar.sqrt() / innovation
        relative_deviation = ((1 - alpha_bar) / innovation).sqrt()
        linear = base + gain * (x_t - alpha_bar.sqrt() * base)
        branch = unet(x_t, base, y_hat, t / self.schedule.steps)
        return linear + relative_deviation * branch.float()

    def estimate(
        self,
        image: Tensor,
        y_hat: Tensor,
        *,
        generator: Generator | None = None,
        natural: bool = False,
    ) -> Estimate:
        """Estimate the image at one random time per sample, for training.

        A fraction `start_share` of the samples is at the start of one-step decoding, `t = T - 1`,
        with weight 1; there `x_T` is 0, or for natural images noise of `realism_deviation`. The
        time of the others is uniform. Gradients reach the network, the base and `y_hat`.

        Args:
            image: (B, 3, H, W) in [0, 1], H and W multiples of 16.
            y_hat: (B, C, H/16, W/16).
            generator: on `image`'s device.
            natural: estimate by the second U-Net, for images of realism 1.

        Raises:
            ValueError: if the shapes do not match, or there is no second U-Net.
        """
        self._check(y_hat)
        size = (y_hat.shape[2] * LATENT_STRIDE, y_hat.shape[3] * LATENT_STRIDE)
        expected = (len(y_hat), 3, *size)
        if image.shape != expected:
            raise ValueError(f"expected image {expected}, got {tuple(image.shape)}")
        drawn = draw_sample(
            2 * image.float() - 1,
            self.schedule,
            start_share=self.config.start_share,
            start_deviation=self._one_step_deviation(natural),
            generator=generator,
        )
        weight = truncated_snr_weight(
            self.schedule.alpha_bar[drawn.t],
            minimum=self.config.min_weight,
            maximum=self.config.max_weight,
        ).where(~drawn.at_start, 1.0)
        estimate = self.predict(
            drawn.x_t, drawn.t, y_hat, base=self._base_image(y_hat), natural=natural
        )
        return Estimate(image=(estimate + 1) / 2, weight=weight)

    def loss(self, image: Tensor, y_hat: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Compute the loss of Eq. (10), a scalar in [-1, 1] units; arguments as in `estimate`."""
        estimate = self.estimate(image, y_hat, generator=generator)
        return diffusion_loss(2 * image - 1, 2 * estimate.image - 1, estimate.weight)

    @torch.no_grad()
    def decode(
        self,
        y_hat: Tensor,
        *,
        image_size: tuple[int, int],
        generator: Generator | None = None,
        steps: int | None = None,
        sampler: Sampler | None = None,
        timesteps: Sequence[int] | Tensor | None = None,
        sigmas: Sequence[float] | Tensor | None = None,
        start: float | Tensor | None = None,
        eta: float = 0.0,
        realism: float = 0.0,
        callback: Callback | None = None,
    ) -> Tensor:
        """Decode images of any size by the reverse process of Eqs. (9) and (11).

        The network predicts tile by tile, but the sampler sees the whole image, so that all noise
        is one field without seams. Memory in addition to the image: that of a tile for one
        prediction, and seven to nine arrays of the image's size for several.

        Args:
            y_hat: (B, C, h, w), at least `ceil(H/16) x ceil(W/16)`; what is beyond is not used.
            image_size: (H, W), each at least 1.
            generator: source of all noise, on `y_hat`'s device.
            steps: number of predictions, instead of the config's.
            sampler: in place of `DDIM`.
            timesteps: falling times of the predictions in [0, T), instead of `steps`.
            sigmas: falling noise levels `sqrt((1 - abar) / abar)`, instead of `steps`.
            start: x_t (B, 3, 16 ceil(H/16), 16 ceil(W/16)) at the first time, or the deviation of
                normal noise, 0 for zeros. By default the sampler's `start_deviation`, or else 0 for
                one prediction (`realism_deviation` at realism 1) and 0.8 for several.
            eta: share of fresh noise in each step of `DDIM`, in [0, 1].
            realism: 0 for the most faithful image, 1 for the most natural one, in [0, 1]. Between,
                both are decoded and interpolated (Freirich et al. 2021, Theorem 2).
            callback: `(step, t, x_0)`, called after each prediction, x_0 in [-1, 1].

        Returns:
            (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: if an argument is out of range or does not fit the others, or the sampler
                returns another shape or a number that is not finite.
        """
        self._check(y_hat)
        if not 0 <= realism <= 1:
            raise ValueError(f"expected a realism in [0, 1], got {realism}")

        def sample(natural: bool) -> Tensor:
            predictor = TiledPredictor(
                partial(self.predict, natural=natural),
                base=self._base_image,
                y_hat=crop_latent(y_hat, image_size=image_size),
                tile_size=self.config.tile_size,
                tile_overlap=self.config.tile_overlap,
            )
            return sample_image(
                predictor,
                self.schedule,
                default_steps=self.config.steps,
                generator=generator,
                steps=steps,
                sampler=sampler,
                timesteps=timesteps,
                sigmas=sigmas,
                start=start,
                one_step_deviation=self._one_step_deviation(natural),
                eta=eta,
                callback=callback,
            )

        if realism in (0, 1):
            image = sample(natural=realism == 1)
        else:
            image = sample(natural=False).lerp_(sample(natural=True), realism)
        height, width = image_size
        return image[:, :, :height, :width].clamp_(0, 1)  # rounding of the blending can exceed 1

    def _one_step_deviation(self, natural: bool) -> float:
        return self.config.realism_deviation if natural else 0.0

    def set_latent_scale(self, scale: Tensor) -> None:
        """Set the standard deviation (C,) of each latent channel; ones by default.

        Raises:
            ValueError: if the shape is not (C,) or a value is not above 0.
        """
        channels = self.config.unet.latent_channels
        if scale.shape != (channels,) or not bool((scale > 0).all()):
            raise ValueError(f"expected ({channels},) values above 0, got {tuple(scale.shape)}")
        self.unet.conditioner.latent_scale.copy_(scale)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the U-Net; the arguments are those of `torch.compile`.

        The other parts have shapes that depend on the data and are not compiled.
        """
        self.unet.compile(*args, **kwargs)

    def recompute_gradients(self, enabled: bool) -> None:
        """Turn the recomputation of the units in the backward pass on or off."""
        for unit in self._units():
            unit.checkpoint_gradients = enabled

    def recomputed_modules(self) -> list[nn.Module]:
        """List the units that `recompute_gradients` recomputes."""
        return list(self._units())

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the weights, also of the base (safetensors), and the config (JSON) to a folder.

        Raises:
            ImportError: if the extra [hub] is not installed.
        """
        save(self, asdict(self.config), folder)

    @classmethod
    def from_pretrained(
        cls, folder_or_id: str | Path, *, base: nn.Module | None = None, revision: str | None = None
    ) -> "DiffusionDecoder":
        """Load what `save_pretrained` wrote, from a folder or from the Hugging Face Hub.

        Args:
            folder_or_id: a folder, or `owner/name` on the Hub.
            base: a module like the one that was saved with the decoder; it loads the saved weights.
            revision: branch, tag or commit on the Hub.

        Raises:
            ImportError: if the extra [hub] is not installed.
            ValueError: if files are missing, damaged, or of another module or base.
        """

        def build(values: dict[str, Any]) -> DiffusionDecoder:
            settings = {"unet": {}, **values}
            unet = UNetConfig(**settings["unet"])
            return cls(DiffusionConfig(**{**settings, "unet": unet}), base=base)

        return load(build, folder_or_id, revision=revision)

    def _units(self) -> Iterator[Unit]:
        return (module for module in self.modules() if isinstance(module, Unit))

    def _base_image(self, y_hat: Tensor) -> Tensor:
        """Compute the base image (B, 3, 16 h, 16 w) on the scale of [-1, 1]."""
        size = (y_hat.shape[2] * LATENT_STRIDE, y_hat.shape[3] * LATENT_STRIDE)
        if self.base is None:
            return torch.zeros(len(y_hat), 3, *size, device=y_hat.device)
        base = self.base(y_hat)
        if base.shape != (len(y_hat), 3, *size):
            raise ValueError(
                f"expected the base to give {(len(y_hat), 3, *size)}, got {tuple(base.shape)}"
            )
        return 2 * base.float() - 1

    def _check(self, y_hat: Tensor) -> None:
        channels = self.config.unet.latent_channels
        if y_hat.ndim != 4 or y_hat.shape[1] != channels:
            raise ValueError(f"expected y_hat (B, {channels}, h, w), got {tuple(y_hat.shape)}")
