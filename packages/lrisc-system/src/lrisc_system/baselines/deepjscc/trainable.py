"""DeepJSCC as the training loop sees it: the squared error at random SNR, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from jscc_ratetoken import AWGN, Channel
from lrisc_system.baselines.deepjscc.initialization import start_deepjscc
from lrisc_system.baselines.deepjscc.model import DeepJSCC, DeepJSCCConfig
from lrisc_system.baselines.linear.analog import PATCH, AnalogLink
from lrisc_system.data.photos import Samples, Source
from lrisc_system.losses import Perceptual, mean_squared_error
from lrisc_system.training.objective import LossTerms, uniform
from lrisc_system.training.recipes import Recipe, Stage, find_preset
from lrisc_system.training.settings import TrainSettings
from roi_saliency import SaliencyDetector

WIDTHS = {
    "paper": (256, 256, 256, 256),
    "small": (32, 64, 128, 256),
    "tiny": (8, 16, 32, 64),
}
REALS_PER_TOKEN = 32
UNUSED = (
    "lambda_rate",
    "lambda_perceptual",
    "perceptual",
    "magnification",
    "checkpoint_gradients",
)
"""Settings that this training would ignore."""


def _recipe(*, steps: int, learning_rate: float, crop: int, batch_size: int) -> Recipe:
    stage = Stage(
        "end-to-end",
        trainable=("",),
        snr_db=(0.0, 20.0),
        steps=steps,
        learning_rate=learning_rate,
        final_learning_rate=learning_rate / 100,
        crop=crop,
        batch_size=batch_size,
    )
    return Recipe((stage,), lambda_rate=0.0, lambda_perceptual=0.0)


RECIPES = {
    "paper": _recipe(steps=187_500, learning_rate=1e-4, crop=256, batch_size=16),
    "small": _recipe(steps=15_000, learning_rate=2e-4, crop=128, batch_size=8),
    "tiny": _recipe(steps=2, learning_rate=1e-3, crop=64, batch_size=2),
}


class DeepJSCCObjective(nn.Module):
    """The mean squared error of images that crossed AWGN.

    Args:
        model: what is trained.
        stage: says what SNR is drawn.
    """

    def __init__(self, model: DeepJSCC, *, stage: Stage) -> None:
        super().__init__()
        self.model, self.stage, self.channel = model, stage, AWGN()

    def forward(
        self, samples: Samples, *, seed: int, part: int = 0, step: int | None = None
    ) -> LossTerms:
        """Compute the loss of a micro-batch; arguments as `TrainingObjective` takes them."""
        image = samples.image
        generator = Generator(image.device).manual_seed(seed)
        snr_db = uniform(*self.stage.snr_db, len(image), generator)
        x_hat = self.model(image, snr_db, channel=self.channel, generator=generator)
        error = mean_squared_error(image, x_hat.float()).mean()
        zero = error.new_zeros(())
        cbr = zero + self.model.config.reals_per_token / (2 * 3 * PATCH**2)
        return LossTerms(
            total=error, cbr=cbr, roi=zero, background=zero, mse=error.detach(), grid=zero
        )


def everywhere(image: Tensor) -> Tensor:
    """Find everything salient, for DeepJSCC looks at no mask: (B, 3, H, W) -> (B, 1, H, W)."""
    return torch.ones_like(image[:, :1])


@dataclass(frozen=True)
class TrainableDeepJSCC:
    """Trains DeepJSCC, one model for each bandwidth."""

    detector: SaliencyDetector = everywhere

    def recipes(self) -> dict[str, Recipe]:
        """Give the recipe of every preset."""
        return RECIPES

    def make(self, settings: TrainSettings) -> DeepJSCC:
        """Build an untrained model of the settings' preset and bandwidth."""
        widths = find_preset(settings.preset, WIDTHS)
        reals = REALS_PER_TOKEN if settings.reals_per_token is None else settings.reals_per_token
        return DeepJSCC(DeepJSCCConfig(reals, widths))

    def adapt(self, model: DeepJSCC, settings: TrainSettings) -> None:
        """Compile the convolutions, if the settings ask for it.

        Raises:
            ValueError: if the settings name something that this training does not have.
        """
        for name in UNUSED:
            if getattr(settings, name):
                raise ValueError(
                    f"expected no {name} for deepjscc, whose loss is the squared error alone, got "
                    f"{getattr(settings, name)}"
                )
        if settings.compile:
            model.encoder.compile()
            model.decoder.compile()

    def start(self, model: DeepJSCC, photos: Source, *, seed: int) -> None:
        """Set a model's weights from photos in closed form."""
        start_deepjscc(model, photos, seed=seed)

    def begin_stage(self, model: DeepJSCC, stage: Stage) -> list[str]:
        """Set nothing."""
        return []

    def objective(
        self, model: DeepJSCC, *, stage: Stage, recipe: Recipe, perceptual: Perceptual
    ) -> DeepJSCCObjective:
        """Wrap a model into its squared error.

        Raises:
            ValueError: if the recipe asks for other losses.
        """
        asked = {name: getattr(recipe, name) for name in ("lambda_rate", "lambda_perceptual")}
        asked |= {"lambda_grid": recipe.lambda_grid, "clean_share": stage.clean_share}
        asked |= {"adversarial_weight": stage.adversarial_weight, "realism": stage.realism}
        for name, value in asked.items():
            if value:
                raise ValueError(
                    f"stage {stage.name}: expected a {name} of 0 for deepjscc, whose loss is the "
                    f"squared error alone, got {value:g}"
                )
        return DeepJSCCObjective(model, stage=stage)

    def finish(self, model: DeepJSCC) -> None:
        """Leave training mode."""
        model.eval()

    def link(self, model: DeepJSCC, *, channel: Channel | None = None) -> AnalogLink:
        """Give a model as a link of its one bandwidth."""
        return AnalogLink(model, channel=channel)

    def save(self, model: DeepJSCC, folder: Path) -> None:
        """Write config and weights."""
        model.save_pretrained(folder)

    def load(self, folder: Path) -> DeepJSCC:
        """Read config and weights, in evaluation mode.

        Raises:
            CheckpointError: as `DeepJSCC.from_pretrained` does.
        """
        return DeepJSCC.from_pretrained(folder)
