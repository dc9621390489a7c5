import pickle
from dataclasses import replace

import pytest
import torch
from torch import nn

from entropy_hyperprior import SynthesisTransform
from lrisc_system.config import TINY
from lrisc_system.decoders import SynthesisDecoder
from lrisc_system.storage.checkpoint import (
    load_model,
    load_start,
    recorded_model,
    recorded_preset,
    save_model,
)
from lrisc_system.storage.pretrained import WEIGHTS_NAME
from lrisc_system.storage.tensors import CheckpointError, read_tensors, write_tensors
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


def plain_decoder(config):
    return LRISC(config, decoder=SynthesisDecoder(SynthesisTransform(config.transform)))


def test_a_model_of_ones_own_opens_by_its_function(tmp_path):
    model = plain_decoder(TINY)
    save_model(model, str(tmp_path / "model"))
    loaded = load_model(str(tmp_path / "model"), make_model=plain_decoder)
    weight = model.decoder.synthesis.linear.weight
    assert torch.equal(loaded.decoder.synthesis.linear.weight, weight)
    with pytest.raises(ValueError, match="expected make_model, or a detector and a decoder"):
        load_model(tmp_path / "model", make_model=plain_decoder, decoder=model.decoder)


def test_without_its_function_it_is_one_clear_line(tmp_path):
    save_model(plain_decoder(TINY), tmp_path / "model")
    (tmp_path / "model" / "run.json").write_text('{"model": "mine:plain"}')
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path / "model")
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    assert "of the model's tensors and holds 11 (decoder.synthesis." in message
    assert "its run card says --model mine:plain" in message
    assert "--model module:function, or load_model(..., make_model=function)" in message


def test_training_cannot_start_from_another_config(saved):
    wider = LRISC(replace(TINY, adapter_hidden=16))
    message = (
        "^expected a checkpoint of the preset 'tiny', got one with another config{}: " + f"{saved}$"
    )
    with pytest.raises(CheckpointError, match=message.format("")):
        load_start(wider, saved, preset="tiny")
    (saved / "run.json").write_text('{"model": "lrisc", "preset": "small"}')
    with pytest.raises(CheckpointError, match=message.format(", that of 'small'")):
        load_start(wider, saved, preset="tiny")


def test_training_starts_from_another_config_of_the_parts_that_it_trains(system, saved):
    unet = replace(TINY.diffusion.unet, base_channels=2 * TINY.diffusion.unet.base_channels)
    wider = LRISC(replace(TINY, diffusion=replace(TINY.diffusion, unet=unet)))
    with pytest.raises(CheckpointError, match="got one with another config"):
        load_start(wider, saved, preset="tiny")
    load_start(wider, saved, preset="tiny", fresh=("decoder",))
    assert torch.equal(wider.g_a.linear.weight, system.g_a.linear.weight)


def test_parts_of_another_kind_are_listed_where_the_config_is_the_same(saved):
    with pytest.raises(CheckpointError, match="of the model's tensors and holds"):
        load_start(plain_decoder(TINY), saved, preset="tiny")


def compiled(config):
    model = LRISC(config)
    model.g_a = torch.compile(model.g_a, backend="eager")
    model.hyperprior = torch.compile(model.hyperprior, backend="eager")
    model.decoder.unet = torch.compile(model.decoder.unet, backend="eager")
    return model


def test_compiled_parts_are_saved_under_plain_names(tmp_path):
    torch.manual_seed(0)
    model = compiled(TINY)
    assert any("_orig_mod" in name for name in model.state_dict())
    save_model(model, tmp_path / "model")
    assert not any("_orig_mod" in name for name in read_tensors(tmp_path / "model" / WEIGHTS_NAME))
    plain = load_model(tmp_path / "model")
    again = load_model(tmp_path / "model", make_model=compiled)
    weight = model.g_a.linear.weight
    assert torch.equal(plain.g_a.linear.weight, weight)
    assert torch.equal(again.g_a.linear.weight, weight)
    assert plain.fingerprint() == again.fingerprint()
    image = torch.rand(1, 3, 32, 32)
    assert again.receive(plain.send(image, 10.0), 10.0).shape == image.shape


def test_files_that_were_saved_with_compiled_names_open(saved):
    tensors = read_tensors(saved / WEIGHTS_NAME)
    renamed = {name.replace("g_a.", "g_a._orig_mod."): t for name, t in tensors.items()}
    write_tensors(renamed, saved / WEIGHTS_NAME)
    assert torch.equal(load_model(saved).g_a.linear.weight, tensors["g_a.linear.weight"])


class Tied(nn.Module):
    """An encoder whose two layers share a weight."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 32, 16, stride=16)
        self.second = nn.Conv2d(3, 32, 16, stride=16)
        self.second.weight = self.first.weight

    def forward(self, image):
        return self.first(image) + self.second(image)


def test_tied_weights_are_saved(tmp_path):
    def tied(config):
        return LRISC(config, g_a=Tied())

    model = tied(TINY)
    save_model(model, tmp_path / "model", dtype=torch.float16)
    loaded = load_model(tmp_path / "model", make_model=tied)
    assert loaded.g_a.first.weight is loaded.g_a.second.weight
    torch.testing.assert_close(loaded.g_a.first.weight, model.g_a.first.weight, rtol=0, atol=1e-3)


def test_what_made_a_model_is_read_from_its_card(tmp_path):
    assert recorded_model(tmp_path) is None
    assert recorded_preset(tmp_path) is None
    (tmp_path / "run.json").write_text('{"model": "mine:f"}')
    assert recorded_model(tmp_path) == "mine:f"
    assert recorded_preset(tmp_path) is None
    (tmp_path / "run.json").write_text('{"model": "mine:f", "preset": "tiny"}')
    assert recorded_preset(tmp_path) == "tiny"
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(CheckpointError, match="no run card"):
        recorded_model(tmp_path)


def test_training_starts_from_weights_without_a_realism(system, saved):
    earlier = LRISC(replace(TINY, diffusion=replace(TINY.diffusion, realism=False)))
    save_model(earlier, saved)
    load_start(system, saved, preset="tiny")
    assert torch.equal(system.g_a.linear.weight, earlier.g_a.linear.weight)
    assert not system.decoder.natural_unet.head.weight.any()
