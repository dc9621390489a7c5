"""The interface between the training loop and a kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

from torch import nn

from jscc_ratetoken import Channel
from lrisc_system.data.photos import Source
from lrisc_system.link import Link
from lrisc_system.losses import Perceptual
from lrisc_system.training.recipes import Recipe, Stage
from lrisc_system.training.settings import TrainSettings
from roi_saliency import SaliencyDetector

Model = TypeVar("Model", bound=nn.Module)


class TrainableModel(Protocol[Model]):
    """A kind of model: how it is made, started, trained, used as a link, saved and loaded."""

    @property
    def detector(self) -> SaliencyDetector:
        """Makes the saliency map of photos that have no mask."""
        ...

    def recipes(self) -> dict[str, Recipe]:
        """Return the recipe of every preset."""
        ...

    def make(self, settings: TrainSettings) -> Model:
        """Build an untrained model of the settings' preset."""
        ...

    def adapt(self, model: Model, settings: TrainSettings) -> None:
        """Prepare a model for training: compile it and recompute its activations, as set."""
        ...

    def start(self, model: Model, photos: Source, *, seed: int) -> None:
        """Initialise a model from photos in closed form."""
        ...

    def begin_stage(self, model: Model, stage: Stage) -> list[str]:
        """Set what the weights of a stage start from; list the parameters that were set."""
        ...

    def objective(
        self, model: Model, *, stage: Stage, recipe: Recipe, perceptual: Perceptual
    ) -> nn.Module:
        """Wrap a model into its loss: (samples, *, seed, part, step) -> LossTerms.

        A loss with weights of its own, such as those of a critic, has them in the attribute
        `adversary`, which is a module or None.
        """
        ...

    def finish(self, model: Model) -> None:
        """Make a trained model ready to transmit."""
        ...

    def link(self, model: Model, *, channel: Channel | None = None) -> Link:
        """Make a link of a finished model over `channel`, AWGN by default.

        With `cbr=None`, the link uses the bandwidth that the model was trained for.
        """
        ...

    def save(self, model: Model, folder: Path) -> None:
        """Write a finished model to a folder; other files of the folder stay."""
        ...

    def load(self, folder: Path) -> Model:
        """Read what `save` wrote, in evaluation mode.

        Raises:
            CheckpointError: if files are missing, damaged or of another model.
        """
        ...
