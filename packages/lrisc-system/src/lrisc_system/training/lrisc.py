"""LRISC as the training loop sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jscc_ratetoken import Channel
from lrisc_system.config import LRISCConfig, preset
from lrisc_system.data.photos import Source
from lrisc_system.losses import Perceptual
from lrisc_system.lrisc_link import LRISCLink
from lrisc_system.parts import modules_with
from lrisc_system.storage.checkpoint import load_model, save_model
from lrisc_system.system import LRISC
from lrisc_system.training.initialization import start_in_closed_form
from lrisc_system.training.objective import TrainingObjective
from lrisc_system.training.presets import RECIPES
from lrisc_system.training.recipes import Recipe, Stage
from lrisc_system.training.settings import TrainSettings
from roi_saliency import BarrierDetector, SaliencyDetector


@dataclass(frozen=True)
class TrainableLRISC:
    """Trains LRISC, whatever its parts.

    Args:
        make_model: config -> model with parts of your own; LRISC of the config's parts by default.
        detector: finds the saliency of photos that have no mask.
    """

    make_model: Callable[[LRISCConfig], LRISC] | None = None
    detector: SaliencyDetector = field(default_factory=BarrierDetector)

    def recipes(self) -> dict[str, Recipe]:
        """Give the recipe of every preset."""
        return RECIPES

    def make(self, settings: TrainSettings) -> LRISC:
        """Build an untrained model of the settings' preset."""
        config = preset(settings.preset)
        return LRISC(config) if self.make_model is None else self.make_model(config)

    def adapt(self, model: LRISC, settings: TrainSettings) -> None:
        """Recompute and compile what can be, if the settings ask for it.

        Raises:
            ValueError: if they ask to recompute, and no module of the model can.
        """
        able = modules_with(model, "recompute_gradients")
        if settings.checkpoint_gradients and not able:
            raise ValueError(
                "expected a part with the method recompute_gradients for --checkpoint-gradients, "
                "got none"
            )
        for module in able:
            module.recompute_gradients(settings.checkpoint_gradients)
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
            lambda_grid=recipe.lambda_grid,
            magnification=recipe.magnification,
        )

    def finish(self, model: LRISC) -> None:
        """Make the tables that z is coded by."""
        model.hyperprior.update()
        model.eval()

    def link(self, model: LRISC, *, channel: Channel | None = None) -> LRISCLink:
        """Give a finished model as a link; asked for no bandwidth, it sends at the config's eta."""
        return LRISCLink(model, channel=channel)

    def save(self, model: LRISC, folder: Path) -> None:
        """Write config and weights."""
        save_model(model, folder)

    def load(self, folder: Path) -> LRISC:
        """Read config and weights, in evaluation mode.

        Raises:
            CheckpointError: as `load_model` does.
        """
        return load_model(folder, make_model=self.make_model)


def compile_model(system: LRISC, *, backend: str = "inductor") -> None:
    """Let torch.compile work on g_a and on the image decoder, as far as their `compile` goes.

    The rest chooses its shapes by the data and stays as it is.
    """
    for part in (system.g_a, system.decoder):
        if hasattr(part, "compile"):
            part.compile(backend=backend)
