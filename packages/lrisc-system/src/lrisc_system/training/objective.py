"""The loss of a training step, Eq. (14), over a random channel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor, nn

from jscc_ratetoken import AWGN, Channel
from lrisc_system.data.photos import Samples
from lrisc_system.decoders import estimate_image, takes_realism
from lrisc_system.losses import (
    Perceptual,
    background_distortion,
    grid_distortion,
    rate_distortion,
    roi_distortion,
)
from lrisc_system.metrics.multiscale import multiscale
from lrisc_system.system import LRISC
from lrisc_system.training.adversary import Adversary
from lrisc_system.training.recipes import Stage
from lrisc_system.training.schedule import rate_scale


@dataclass(frozen=True)
class LossTerms:
    """The loss of a batch and its terms, each a scalar tensor."""

    total: Tensor  # Eq. (14), with the adversarial term if there is one
    cbr: Tensor  # expected CBR, the R of Eq. (14)
    roi: Tensor  # D_roi, Eq. (12)
    background: Tensor  # D_bg, Eq. (13)
    mse: Tensor  # of the estimate, unweighted
    grid: Tensor  # of the estimate, unweighted, see `grid_distortion`
    adversarial: Tensor | None = None  # of the estimate, see `Adversary`
    critic: Tensor | None = None  # loss of the critic, not in `total`

    def minimized(self) -> Tensor:
        """Return what a step minimizes: the loss of the model and that of its critic."""
        return self.total if self.critic is None else self.total + self.critic

    def values(self) -> dict[str, float]:
        """Copy all terms that there are from the device at once."""
        names = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        terms = torch.stack([getattr(self, name).detach().float() for name in names])
        return dict(zip(names, terms.tolist(), strict=True))


def first_broken(values: Mapping[str, float]) -> str | None:
    """Name the first term that is NaN or infinite, if one is."""
    return next((name for name, value in values.items() if not math.isfinite(value)), None)


class TrainingObjective(nn.Module):
    """The loss of one stage as a module, so that Accelerate can distribute it.

    The fraction `stage.clean_share` of a batch skips the channel (x_bar of Eq. (14)), the rest
    crosses it (x_hat), so every image passes the image decoder once.

    Args:
        system: model to train.
        perceptual: image batches in [0, 1] -> distance (B,); LPIPS in the paper.
        stage: stage with the ranges of SNR, eta and alpha.
        lambda_rate: lambda of Eq. (14), against R as CBR.
        lambda_perceptual: lambda_p of Eq. (13).
        lambda_grid: weight of `grid_distortion`.
        magnification: largest factor by which a random part of an image is enlarged before
            `perceptual`, see `multiscale`.
        channel: channel of the symbols; AWGN by default.

    Attributes:
        adversary: trains the critic of an adversarial stage; None in other stages.

    Raises:
        ValueError: if the image decoder has no method `estimate` that the stage needs, or takes no
            realism that the stage asks for.
    """

    def __init__(
        self,
        system: LRISC,
        perceptual: Perceptual,
        *,
        stage: Stage,
        lambda_rate: float,
        lambda_perceptual: float,
        lambda_grid: float = 0.0,
        magnification: int = 1,
        channel: Channel | None = None,
    ) -> None:
        super().__init__()
        self.system = system
        # Not a submodule: its frozen weights are neither trained nor saved.
        self._perceptual = [perceptual]
        self.stage = stage
        self.lambda_rate = lambda_rate
        self.lambda_perceptual = lambda_perceptual
        self.lambda_grid = lambda_grid
        self.magnification = magnification
        self.channel = AWGN() if channel is None else channel
        if stage.decode_images and not callable(getattr(system.decoder, "estimate", None)):
            raise ValueError(
                f"stage {stage.name}: expected an image decoder with the method estimate, got "
                f"{type(system.decoder).__name__}"
            )
        if stage.realism and not takes_realism(system.decoder):
            raise ValueError(
                f"stage {stage.name}: expected an image decoder that takes a realism, got "
                f"{type(system.decoder).__name__}"
            )
        self.adversary = (
            Adversary(weight=stage.adversarial_weight, warmup=stage.adversarial_warmup)
            if stage.adversarial_weight > 0
            else None
        )

    def forward(
        self, samples: Samples, *, seed: int, part: int = 0, step: int | None = None
    ) -> LossTerms:
        """Compute the loss of a micro-batch; `seed` fixes every random draw in it.

        Args:
            samples: crops on the model's device.
            seed: seed of SNR, eta, alpha, channel noise, rounding noise, diffusion time and
                magnification.
            part: number of the micro-batch in its step; it decides how many images skip the
                channel.
            step: of the stage, for the warm-ups; None is after them.
        """
        device = samples.image.device
        torch.manual_seed(seed)  # CompressAI's entropy bottleneck draws from the global state
        generator = Generator(device).manual_seed(seed)
        count = len(samples.image)
        snr_db = uniform(*self.stage.snr_db, count, generator)
        eta = log_uniform(*self.stage.eta, count, generator)
        alpha = log_uniform(*self.stage.alpha, count, generator)
        sent = self.system(
            samples.image,
            samples.saliency,
            snr_db,
            eta,
            channel=self.channel,
            alpha=alpha,
            generator=generator,
        )
        rate = sent.rate.float()
        lambda_rate = self.lambda_rate * (1.0 if step is None else rate_scale(self.stage, step))
        if not self.stage.decode_images:
            zero = rate.new_zeros(())
            return LossTerms(
                lambda_rate * rate.mean(), rate.mean().detach(), zero, zero, zero, zero
            )

        clean = clean_images(self.stage.clean_share, part=part, count=count)
        latent = torch.cat([sent.source.prior.y_tilde[:clean], sent.y_hat[clean:]])
        estimate = estimate_image(
            self.system.decoder,
            samples.image,
            latent,
            generator=generator,
            natural=self.stage.realism,
        )
        x, x_hat = samples.image, estimate.image.float()
        mask = sent.source.mask.float()
        adversarial = critic = None
        with torch.autocast(device.type, enabled=False):  # the loss keeps float32
            if self.adversary is not None:
                judged = self.adversary(
                    x,
                    x_hat,
                    mask=mask,
                    step=step,
                    generator=Generator().manual_seed(seed),
                )
                x_hat, adversarial, critic = judged.x_hat, judged.adversarial, judged.critic
            roi = roi_distortion(x, x_hat, mask)
            background = background_distortion(
                x,
                x_hat,
                mask,
                perceptual=multiscale(
                    self._perceptual[0],
                    largest=self.magnification,
                    generator=Generator().manual_seed(seed),
                ),
                lambda_perceptual=self.lambda_perceptual,
            )
            grid = grid_distortion(x, x_hat)
            distortion = estimate.weight.float() * (roi + background + self.lambda_grid * grid)
            total = rate_distortion(rate, distortion, lambda_rate=lambda_rate)
            if adversarial is not None:
                total = total + adversarial
            return LossTerms(
                total=total,
                cbr=rate.mean().detach(),
                roi=roi.mean().detach(),
                background=background.mean().detach(),
                mse=(x - x_hat).square().mean().detach(),
                grid=grid.mean().detach(),
                adversarial=adversarial,
                critic=critic,
            )


def clean_images(fraction: float, *, part: int, count: int) -> int:
    """Count the images of micro-batch `part` that skip the channel.

    Rounded over the whole batch, so that the fraction holds for micro-batches of one image too.
    """
    first, last = (math.floor(fraction * index * count + 0.5) for index in (part, part + 1))
    return last - first


def uniform(low: float, high: float, count: int, generator: Generator) -> Tensor:
    """Draw `count` numbers uniformly from [low, high] on the generator's device."""
    drawn = torch.rand(count, generator=generator, device=generator.device)
    return low + (high - low) * drawn


def log_uniform(low: float, high: float, count: int, generator: Generator) -> Tensor:
    """Draw `count` numbers from [low, high], every ratio as likely as its inverse."""
    return uniform(math.log(low), math.log(high), count, generator).exp()
