"""The image decoder of the receiver: conditional diffusion on the latent."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cond_diffusion.condition import LATENT_STRIDE
from cond_diffusion.ddim import ddim_sample
from cond_diffusion.hub import load, save
from cond_diffusion.objective import diffusion_loss, truncated_snr_weight
from cond_diffusion.schedule import CosineSchedule
from cond_diffusion.tiles import Span, tile_spans
from cond_diffusion.unet import ConditionalUNet, UNetConfig, Unit

MAX_SCHEDULE_STEPS = 1 << 20  # a config from a file cannot ask for a table without end
START_DEVIATION = 0.8  # of the noise that several-step decoding starts from [CDC]


@dataclass(frozen=True)
class DiffusionConfig:
    """Settings of the diffusion decoder.

    Attributes:
        unet: sizes of the U-Net.
        steps: DDIM steps of `decode`, in [1, schedule_steps].
        schedule_steps: times T of the forward process.
        base_variance: mean squared error of the base image in [-1, 1] units, above 0.
        start_share: fraction of training samples at the start of one-step decoding, in [0, 1].
        min_weight, max_weight: limits of `w_t`, Eq. (10).
        tile_size, tile_overlap: in pixels, multiples of 16, `tile_overlap < tile_size`.
    """

    unet: UNetConfig = field(default_factory=UNetConfig)
    steps: int = 1
    schedule_steps: int = 8193
    base_variance: float = 0.01
    start_share: float = 0.5
    min_weight: float = 1.0
    max_weight: float = 5.0
    tile_size: int = 512
    tile_overlap: int = 64

    def __post_init__(self) -> None:
        if self.schedule_steps > MAX_SCHEDULE_STEPS:
            raise ValueError(
                f"expected at most {MAX_SCHEDULE_STEPS} schedule_steps, got {self.schedule_steps}"
            )
        if not 1 <= self.steps <= self.schedule_steps:
            raise ValueError(f"expected steps in [1, {self.schedule_steps}], got {self.steps}")
        if not self.base_variance > 0:
            raise ValueError(f"expected base_variance above 0, got {self.base_variance}")
        if not 0 <= self.start_share <= 1:
            raise ValueError(f"expected start_share in [0, 1], got {self.start_share}")
        if not 0 <= self.min_weight <= self.max_weight:
            raise ValueError(
                f"expected 0 <= min_weight <= max_weight, got {self.min_weight}, {self.max_weight}"
            )
        if not 0 <= self.tile_overlap < self.tile_size:
            raise ValueError(
                "expected 0 <= tile_overlap < tile_size, "
                f"got {self.tile_overlap} and {self.tile_size}"
            )
        if self.tile_size % LATENT_STRIDE or self.tile_overlap % LATENT_STRIDE:
            raise ValueError(
                f"expected tile_size and tile_overlap to be multiples of {LATENT_STRIDE}, "
                f"got {self.tile_size} and {self.tile_overlap}"
            )


@dataclass(frozen=True)
class Estimate:
    """A training-time estimate of the image.

    Attributes:
        image: `X_theta` (B, 3, H, W) on the scale of [0, 1], not clipped.
        weight: `w_t` (B,) of Eq. (10) at the drawn times.
    """

    image: Tensor
    weight: Tensor


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

    def predict(self, x_t: Tensor, t: Tensor, y_hat: Tensor, *, base: Tensor) -> Tensor:
        """Predict the image, `X_theta(x_t, y_hat, t / T)` of Eqs. (9) and (10).

        With `x_0 ~ Normal(base, v)` and `x_t ~ Normal(sqrt(abar) x_0, 1 - abar)`, the posterior
        mean is `base + gain * (x_t - sqrt(abar) base)`, finite for abar in [0, 1]. The U-Net's
        branch is scaled by the posterior deviation over `sqrt(v)`: 1 at the start, 0 at the end.

        Args:
            x_t: (B, 3, H, W) on the scale of [-1, 1].
            t: times (B,).
            y_hat: (B, C, H/16, W/16).
            base: first guess, shaped as `x_t`, on the scale of [-1, 1].
        """
        variance = self.config.base_variance if self.base is not None else 1.0
        x_t, base = x_t.float(), base.float()
        alpha_bar = self.schedule.alpha_bar[t].view(-1, 1, 1, 1)  # (B,) -> (B, 1, 1, 1)
        innovation = variance * alpha_bar + (1 - alpha_bar)
        gain = variance * alpha_bar.sqrt() / innovation
        relative_deviation = ((1 - alpha_bar) / innovation).sqrt()
        linear = base + gain * (x_t - alpha_bar.sqrt() * base)
        branch = self.unet(x_t, base, y_hat, t / self.schedule.steps)
        return linear + relative_deviation * branch.float()

    def estimate(
        self, image: Tensor, y_hat: Tensor, *, generator: torch.Generator | None = None
    ) -> Estimate:
        """Estimate the image at one random time per sample, for training.

        A fraction `start_share` of the samples is at the start of one-step decoding, `t = T - 1`
        and `x_T = 0`, with weight 1. The time of the others is uniform. Gradients reach the
        network, the base and `y_hat`.

        Args:
            image: (B, 3, H, W) in [0, 1], H and W multiples of 16.
            y_hat: (B, C, H/16, W/16).
            generator: on `image`'s device.

        Raises:
            ValueError: if the shapes do not match.
        """
        self._check(y_hat)
        size = (y_hat.shape[2] * LATENT_STRIDE, y_hat.shape[3] * LATENT_STRIDE)
        expected = (len(y_hat), 3, *size)
        if image.shape != expected:
            raise ValueError(f"expected image {expected}, got {tuple(image.shape)}")
        batch, last, device = len(image), self.schedule.steps - 1, image.device
        x_0 = 2 * image.float() - 1

        at_start = torch.rand(batch, generator=generator, device=device) < self.config.start_share
        t = torch.randint(last + 1, (batch,), generator=generator, device=device)
        noise = torch.randn(x_0.shape, generator=generator, device=device)
        t = t.where(~at_start, last)
        x_t = self.schedule.q_sample(x_0, t, noise) * ~at_start.view(-1, 1, 1, 1)

        weight = truncated_snr_weight(
            self.schedule.alpha_bar[t],
            minimum=self.config.min_weight,
            maximum=self.config.max_weight,
        ).where(~at_start, 1.0)
        estimate = self.predict(x_t, t, y_hat, base=self._base_image(y_hat))
        return Estimate(image=(estimate + 1) / 2, weight=weight)

    def loss(
        self, image: Tensor, y_hat: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Compute the loss of Eq. (10), a scalar in [-1, 1] units; arguments as in `estimate`."""
        estimate = self.estimate(image, y_hat, generator=generator)
        return diffusion_loss(2 * image - 1, 2 * estimate.image - 1, estimate.weight)

    @torch.no_grad()
    def decode(
        self,
        y_hat: Tensor,
        *,
        image_size: tuple[int, int],
        generator: torch.Generator | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """Decode images of any size, tile by tile, by the reverse process of Eqs. (9) and (11).

        One step starts from zeros, several from `0.8 * Normal(0, I)`, one noise for all tiles.
        Memory beyond the image itself does not grow with the area.

        Args:
            y_hat: (B, C, h, w), at least `ceil(H/16) x ceil(W/16)`; what is beyond is not used.
            image_size: (H, W), each at least 1.
            generator: on `y_hat`'s device.
            steps: DDIM steps instead of the config's.

        Returns:
            (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: if the sizes or the step count do not fit.
        """
        self._check(y_hat)
        height, width = image_size
        rows, columns = -(-height // LATENT_STRIDE), -(-width // LATENT_STRIDE)
        if not (0 < rows <= y_hat.shape[2] and 0 < columns <= y_hat.shape[3]):
            raise ValueError(
                f"expected an image_size from 1 x 1 to what y_hat {tuple(y_hat.shape)} covers, "
                f"got {height} x {width}"
            )
        steps = self.config.steps if steps is None else steps
        device = y_hat.device
        shape = (len(y_hat), 3, rows * LATENT_STRIDE, columns * LATENT_STRIDE)
        image = torch.zeros(shape, device=device)
        noise = None
        if steps > 1:
            noise = torch.randn(shape, generator=generator, device=device)
        for row in self._spans(shape[2]):
            for column in self._spans(shape[3]):
                y, x = slice(row.start, row.stop), slice(column.start, column.stop)
                weight = (row.weight[:, None] * column.weight).to(device)
                latent = y_hat[:, :, _latent(row), _latent(column)]
                x_T = torch.zeros_like(image[:, :, y, x])
                if noise is not None:
                    x_T = START_DEVIATION * noise[:, :, y, x]
                image[:, :, y, x] += weight * self._decode_tile(x_T, latent, steps=steps)
        return image[:, :, :height, :width].clamp_(0, 1)  # rounding of the blending can exceed 1

    def _spans(self, length: int) -> list[Span]:
        size, overlap = self.config.tile_size, self.config.tile_overlap
        return tile_spans(length, size=size, overlap=overlap, unit=LATENT_STRIDE)

    def _decode_tile(self, x_T: Tensor, y_hat: Tensor, *, steps: int) -> Tensor:
        """Decode one tile (B, C, h, w) from `x_T` to (B, 3, 16 h, 16 w) in [0, 1]."""
        base = self._base_image(y_hat)

        def predict_x0(x_t: Tensor, t: Tensor) -> Tensor:
            return self.predict(x_t, t, y_hat, base=base)

        return (ddim_sample(predict_x0, x_T, schedule=self.schedule, steps=steps) + 1) / 2

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
        """Turn the recomputation of the U-Net's units in the backward pass on or off."""
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
        return (module for module in self.unet.modules() if isinstance(module, Unit))

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


def _latent(span: Span) -> slice:
    return slice(span.start // LATENT_STRIDE, span.stop // LATENT_STRIDE)
