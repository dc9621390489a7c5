import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lrisc_system.config import TINY
from lrisc_system.storage.checkpoint import save_model
from lrisc_system.storage.pretrained import WEIGHTS_NAME
from lrisc_system.storage.tensors import (
    CheckpointError,
    load_weights,
    read_tensors,
    write_tensors,
)
from lrisc_system.system import LRISC


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    return LRISC(TINY).eval()


@pytest.fixture
def saved(system, tmp_path):
    save_model(system, tmp_path / "model")
    return tmp_path / "model"


def test_tensors_round_trip_whatever_their_strides(tmp_path):
    tensor = torch.arange(6.0).view(2, 3).T
    write_tensors({"a": tensor}, tmp_path / "a.safetensors")
    assert torch.equal(read_tensors(tmp_path / "a.safetensors")["a"], tensor)


def test_a_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="damaged or no safetensors file"):
        read_tensors(tmp_path / "none.safetensors")


def test_weights_of_another_shape_are_named(tmp_path):
    save_file({"weight": torch.zeros(3, 2), "bias": torch.zeros(3)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="does not fit the model: size mismatch for weight"):
        load_weights(nn.Linear(3, 3), tmp_path / "a.safetensors")


def test_weights_in_8_bits_are_named(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"weight": torch.zeros(3, 3).to(torch.int8), "weight.scale8": torch.ones(3)}, path)
    with pytest.raises(CheckpointError) as caught:
        load_weights(nn.Linear(3, 3), path)
    assert str(caught.value) == (
        f"{path} holds 8-bit weights for scripts/gpu_kit.sh, which no command opens"
    )


def test_a_part_may_be_of_another_model(system, saved):
    """What of it has the same names and shapes is taken all the same."""
    other = LRISC(TINY)
    other.decoder.unet = nn.Conv2d(1, 1, 1)
    own = other.decoder.unet.weight.clone()
    with pytest.raises(CheckpointError, match="does not fit the model"):
        load_weights(other, saved / WEIGHTS_NAME)
    load_weights(other, saved / WEIGHTS_NAME, fresh=("decoder",))
    assert torch.equal(other.decoder.unet.weight, own)
    for part, theirs in ((other.decoder.base, system.decoder.base), (other.g_a, system.g_a)):
        for name, tensor in part.state_dict().items():
            assert torch.equal(tensor, theirs.state_dict()[name]), name
    with pytest.raises(CheckpointError, match="does not fit the model"):
        load_weights(other, saved / WEIGHTS_NAME, fresh=("g_a",))
