import math
from dataclasses import replace

import pytest
import torch

from lrisc_system.baselines.deepjscc.model import DeepJSCC
from lrisc_system.baselines.deepjscc.trainable import RECIPES, TrainableDeepJSCC
from lrisc_system.data.images import save_image
from lrisc_system.data.photos import Samples
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.trainer import Trainer


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    for index in (0, 1, 2, 11):  # the name photo11 is held out
        coarse = torch.rand(1, 3, 6, 6, generator=generator)
        photo = torch.nn.functional.interpolate(coarse, size=(80, 72), mode="bicubic")
        save_image(photo, folder / f"photo{index:02d}.png")
    return folder


def test_the_usual_loop_trains_it(photos, tmp_path):
    settings = TrainSettings(
        model="deepjscc",
        preset="tiny",
        reals_per_token=16,
        data=photos,
        output=tmp_path / "run",
        workers=0,
    )
    Trainer(settings, TrainableDeepJSCC()).run()
    model = DeepJSCC.from_pretrained(tmp_path / "run" / "model")
    assert model.config.reals_per_token == 16
    card = (tmp_path / "run" / "model" / "run.md").read_text()
    assert "`deepjscc`" in card
    assert "lambda_rate 0, lambda_perceptual 0 on" in card


def test_the_loss_is_the_squared_error():
    kind = TrainableDeepJSCC()
    settings = TrainSettings(preset="tiny", data=".", output=".", reals_per_token=16)
    torch.manual_seed(1)
    model = kind.make(settings)
    recipe = RECIPES["tiny"]
    objective = kind.objective(
        model, stage=recipe.stages[0], recipe=recipe, perceptual=lambda x, x_hat: None
    )
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    terms = objective(Samples(image=image, saliency=image[:, :1]), seed=3)
    again = objective(Samples(image=image, saliency=image[:, :1]), seed=3)
    other = objective(Samples(image=image, saliency=image[:, :1]), seed=4)
    assert terms.total.item() == terms.mse.item() == again.total.item() != other.total.item()
    assert terms.cbr.item() == pytest.approx(16 / 1536)  # two reals a symbol, 3 x 256 numbers
    assert math.isfinite(terms.total.item())


def test_transmission_counts_what_it_costs():
    kind = TrainableDeepJSCC()
    model = kind.make(TrainSettings(preset="tiny", data=".", output=".", reals_per_token=16))
    kind.finish(model)
    image = torch.rand(1, 3, 32, 32)
    noise = torch.Generator().manual_seed(5)
    arrival = kind.link(model).transmit(
        image, 10.0, cbr=None, saliency=image[:, :1], generator=noise
    )
    assert arrival.image.shape == image.shape
    assert arrival.cbr == model.cbr((32, 32), snr_db=10.0)


def test_everything_is_salient_to_it():
    assert TrainableDeepJSCC().detector(torch.rand(1, 3, 4, 4)).min() == 1


def test_a_recipe_of_other_losses_is_refused():
    kind = TrainableDeepJSCC()
    model = kind.make(TrainSettings(preset="tiny", data=".", output="."))
    recipe = replace(RECIPES["tiny"], lambda_perceptual=0.5)
    with pytest.raises(ValueError, match="end-to-end: expected a lambda_perceptual of 0 for deepj"):
        kind.objective(model, stage=recipe.stages[0], recipe=recipe, perceptual=None)
