import pickle

import pytest
import torch

from lrisc_system.config import TINY
from lrisc_system.storage.checkpoint import load_model, save_model
from lrisc_system.storage.pretrained import WEIGHTS_NAME
from lrisc_system.storage.tensors import CheckpointError
from lrisc_system.system import LRISC


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    return LRISC(TINY).eval()


@pytest.fixture
def saved(system, tmp_path):
    save_model(system, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_round_trip(system, tmp_path, dtype):
    save_model(system, tmp_path / "model", dtype=dtype)
    loaded = load_model(tmp_path / "model", expected_preset="tiny")
    assert not loaded.training
    for name, parameter in system.named_parameters():
        other = loaded.get_parameter(name)
        assert other.dtype == parameter.dtype
        if "bottleneck" not in name:  # the prior of z is not rounded
            assert torch.equal(other, parameter.to(dtype).float()), name


def test_a_loaded_model_reads_the_packets_of_another_copy(saved):
    image = torch.rand(1, 3, 32, 32)
    first, second = load_model(saved), load_model(saved)
    assert second.receive(first.send(image, 10.0), 10.0).shape == image.shape


def test_a_half_size_file_gives_the_tables_of_its_own_weights(system, tmp_path):
    save_model(system, tmp_path / "model", dtype=torch.float16)
    loaded = load_model(tmp_path / "model")
    tables = loaded.hyperprior.state_dict()
    loaded.hyperprior.update()
    for name, tensor in loaded.hyperprior.state_dict().items():
        assert torch.equal(tensor, tables[name]), name


def test_saving_leaves_the_model_as_it_is(system, tmp_path):
    before = {name: tensor.clone() for name, tensor in system.state_dict().items()}
    save_model(system, tmp_path / "model", dtype=torch.float16)
    after = system.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_others_may_read_what_was_saved(saved):
    assert saved.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in saved.iterdir()} == {0o644}


def test_missing_files(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_model(tmp_path)


def test_another_preset(saved):
    with pytest.raises(CheckpointError, match="not a checkpoint of the preset 'small'"):
        load_model(saved, expected_preset="small")


def test_a_truncated_file(saved):
    path = saved / WEIGHTS_NAME
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(saved)


def test_a_pickle_is_refused(saved):
    (saved / WEIGHTS_NAME).write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(CheckpointError, match="damaged or no safetensors"):
        load_model(saved)


def test_missing_keys(saved):
    from safetensors.torch import load_file, save_file

    state = load_file(saved / WEIGHTS_NAME)
    del state["g_a.linear.weight"]
    save_file(state, saved / WEIGHTS_NAME)
    with pytest.raises(CheckpointError, match=r"g_a\.linear\.weight"):
        load_model(saved)


def test_other_files_of_the_folder_stay(system, saved):
    (saved / "notes.md").write_text("mine")
    (saved / "run").mkdir()
    (saved / WEIGHTS_NAME).write_bytes(b"old")
    save_model(system, saved)
    assert (saved / "notes.md").read_text() == "mine"
    assert (saved / "run").is_dir()
    assert load_model(saved).config == system.config
