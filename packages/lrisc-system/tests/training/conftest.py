"""Photos, and a finished training of `tiny` on them, which the tests of this folder share."""

import pytest
import torch
from accelerate.state import AcceleratorState

from lrisc_system.data.images import save_image
from lrisc_system.training import trainer
from lrisc_system.training.lrisc import TrainableLRISC
from lrisc_system.training.settings import TrainSettings


@pytest.fixture(autouse=True)
def _fresh_accelerator():
    """Mixed precision is chosen once per process."""
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A few smooth photos, one of them held out for validation."""
    photos = tmp_path_factory.mktemp("photos")
    generator = torch.Generator().manual_seed(0)
    for index in (0, 1, 2, 3, 4, 11):  # the name photo11 is held out
        coarse = torch.rand(1, 3, 6, 6, generator=generator)
        save_image(
            torch.nn.functional.interpolate(coarse, size=(80, 72), mode="bicubic"),
            photos / f"photo{index:02d}.png",
        )
    return photos


@pytest.fixture(scope="session")
def settings(folder, tmp_path_factory):
    return TrainSettings(
        preset="tiny",
        data=folder,
        output=tmp_path_factory.mktemp("run"),
        workers=0,
        save_every=1,
        keep=100,
    )


@pytest.fixture(scope="session")
def finished(settings):
    AcceleratorState._reset_state(reset_partial_state=True)
    trainer.Trainer(settings, TrainableLRISC()).run()
    return settings.output
