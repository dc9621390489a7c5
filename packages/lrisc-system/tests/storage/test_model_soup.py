import pytest
import torch
from torch import nn

from lrisc_system.config import TINY
from lrisc_system.storage.checkpoint import load_model, save_model
from lrisc_system.storage.model_soup import average_models
from lrisc_system.system import LRISC


def linear(value):
    layer = nn.Linear(2, 1)
    for parameter in layer.parameters():
        nn.init.constant_(parameter, value)
    return layer


@pytest.mark.parametrize(
    ("values", "mean"), [([1.0], 1.0), ([0.0, 3.0], 1.5), ([0.0, 0.0, 3.0], 1.0)]
)
def test_the_mean_of_every_parameter(values, mean):
    average = average_models([linear(value) for value in values])
    for parameter in average.parameters():
        torch.testing.assert_close(parameter, torch.full_like(parameter, mean))


def test_the_models_stay_as_they_are():
    first, second = linear(0.0), linear(2.0)
    average_models([first, second])
    assert first.bias.item() == 0.0
    assert second.bias.item() == 2.0


def test_buffers_of_the_last_one():
    first, second = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    second.running_mean.fill_(5.0)
    assert average_models([first, second]).running_mean.tolist() == [5.0] * 3


def test_buffers_that_differ_in_size():
    first, second = linear(0.0), linear(2.0)
    for layer, size in ((first, 4), (second, 6)):
        layer.register_buffer("table", torch.zeros(size))
    average = average_models([first, second])
    assert average.table.shape == (6,)
    assert average.bias.item() == 1.0


@pytest.mark.parametrize("others", [[nn.Linear(2, 2)], [nn.Conv2d(1, 1, 1)]])
def test_models_that_do_not_match(others):
    with pytest.raises(ValueError, match="the same names and shapes"):
        average_models([linear(0.0), *others])


def test_no_models():
    with pytest.raises(ValueError, match="at least one"):
        average_models([])


def test_a_saved_average_transmits(tmp_path):
    systems = []
    for seed in range(2):
        torch.manual_seed(seed)
        systems.append(LRISC(TINY).eval())
    save_model(average_models(systems), tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    tables = {name: tensor.clone() for name, tensor in loaded.hyperprior.state_dict().items()}
    loaded.hyperprior.update()  # changes nothing: the tables are those of the averaged prior
    for name, tensor in loaded.hyperprior.state_dict().items():
        assert torch.equal(tensor, tables[name]), name
    image = torch.rand(1, 3, 32, 32)
    assert loaded.transmit(image, snr_db=10.0)[0].shape == image.shape
