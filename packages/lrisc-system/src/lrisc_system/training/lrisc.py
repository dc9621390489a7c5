"""Training of LRISC."""

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
    """Trains LRISC, also with parts of your own.

    Args:
        make_model: config -> model with parts of your own; LRISC of the config's parts by default.
        detector: makes the saliency map of photos that have no mask.
    """

    make_model: Callable[[LRISCConfig], LRISC] | None = None
    detector: SaliencyDetector = field(default_factory=BarrierDetector)

    def recipes(self) -> dict[str, Recipe]:
        """Return the recipe of every preset."""
        return RECIPES

    def make(self, settings: TrainSettings) -> LRISC:
        """Build an untrained model of the settings' preset."""
        config = preset(settings.preset)
        return LRISC(config) if self.make_model is None else self.make_model(config)

    def adapt(self, model: LRISC, settings: TrainSettings) -> None:
        """Turn gradient checkpointing and compilation on, if the settings say so.

        Raises:
            ValueError: if the settings turn checkpointing on, and no part supports it, or name what
                only the baseline has.
        """
        if settings.reals_per_token is not None:
            raise ValueError(
                "expected no reals_per_token for LRISC, whose bandwidth follows the image, got "
                f"{settings.reals_per_token}"
            )
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
        """Initialise a model from photos in closed form."""
        start_in_closed_form(model, photos, seed=seed)

    def begin_stage(self, model: LRISC, stage: Stage) -> list[str]:
        """Start what is trained for realism from what is trained for fidelity, if it is new."""
        start = getattr(model.decoder, "start_realism", None)
        if not stage.realism or start is None or not start():
            return []
        return [name for name, _ in stage.parameters(model)]

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
        """Compute the coding tables of z."""
        model.hyperprior.update()
        model.eval()

    def link(self, model: LRISC, *, channel: Channel | None = None) -> LRISCLink:
        """Make a link of a finished model; without a bandwidth, it uses the config's eta."""
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
    """Compile g_a and the image decoder with torch.compile, if they have a method `compile`.

    The shapes in the other parts depend on the data, so they stay uncompiled.
    """
    for part in (system.g_a, system.decoder):
        if hasattr(part, "compile"):
            part.compile(backend=backend)
