"""LRISC as the training loop sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from torch import Generator, Tensor

from cond_diffusion import DiffusionDecoder
from cond_diffusion.unet import Unit
from lrisc_system.config import LRISCConfig, preset
from lrisc_system.data.photos import Source
from lrisc_system.link import cross_channel
from lrisc_system.losses import Perceptual
from lrisc_system.storage.checkpoint import save_model
from lrisc_system.system import LRISC
from lrisc_system.training.initialization import start_in_closed_form
from lrisc_system.training.objective import TrainingObjective
from lrisc_system.training.presets import RECIPES
from lrisc_system.training.recipes import Recipe, Stage
from lrisc_system.training.settings import TrainSettings
from roi_saliency import BarrierDetector, SaliencyDetector


@dataclass(frozen=True)
class LRISCFamily:
    """Trains LRISC, whatever its decoder.

    Args:
        make_model: config -> model; one with a decoder or a detector of your own, if you like.
        detector: finds the saliency of photos that have no mask.
    """

    make_model: Callable[[LRISCConfig], LRISC] = LRISC
    detector: SaliencyDetector = field(default_factory=BarrierDetector)

    def recipes(self) -> dict[str, Recipe]:
        """Give the recipe of every preset."""
        return RECIPES

    def make(self, settings: TrainSettings) -> LRISC:
        """Build an untrained model of the settings' preset."""
        return self.make_model(preset(settings.preset))

    def adapt(self, model: LRISC, settings: TrainSettings) -> None:
        """Let the U-Net recompute its units, and compile, if the settings ask for it."""
        for module in model.modules():
            if isinstance(module, Unit):
                module.checkpoint_gradients = settings.checkpoint_gradients
        if settings.compile:
            compile_model(model)

    def start(self, model: LRISC, photos: Source, *, seed: int) -> None:
        """Set a model's weights from photos in closed form."""
        start_in_closed_form(model, photos, seed=seed)

    def objective(
        self, model: LRISC, *, stage: Stage, recipe: Recipe, perceptual: Perceptual
    ) -> TrainingObjective:
        """Wrap a model into Eq. (14)."""
        return TrainingObjective(
            model,
            perceptual,
            stage=stage,
            lambda_rate=recipe.lambda_rate,
            lambda_perceptual=recipe.lambda_perceptual,
            magnification=recipe.magnification,
        )

    def finish(self, model: LRISC) -> None:
        """Make the tables that z is coded by."""
        model.hyperprior.update()
        model.eval()

    def transmit(
        self, model: LRISC, image: Tensor, snr_db: float, *, saliency: Tensor, generator: Generator
    ) -> tuple[Tensor, float]:
        """Send one image at the model's own eta: what arrives, and the CBR that it took."""
        packet = model.send(image, snr_db, saliency=saliency)
        arrived = cross_channel(packet, snr_db, generator=generator)
        start_noise = Generator(image.device).manual_seed(0)
        return model.receive(arrived, snr_db, generator=start_noise), packet.cbr(snr_db)

    def save(self, model: LRISC, folder: Path) -> None:
        """Write config and weights."""
        save_model(model, folder)


def compile_model(system: LRISC, *, backend: str = "inductor") -> None:
    """Let torch.compile work on the convolutions of g_a and of the diffusion decoder's U-Net.

    The rest chooses its shapes by the data and stays as it is.
    """
    system.g_a.compile(backend=backend)
    if isinstance(system.decoder, DiffusionDecoder):
        system.decoder.unet.compile(backend=backend)
