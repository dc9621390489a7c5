import json
import pickle
import subprocess
import sys

import pytest
import torch

from cond_diffusion import DiffusionConfig, DiffusionDecoder, UNetConfig

CONFIG = DiffusionConfig(unet=UNetConfig.tiny(), steps=3, base_variance=0.02)


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    module = DiffusionDecoder(CONFIG)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return module


@pytest.fixture
def saved(decoder, tmp_path):
    decoder.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def test_round_trip(decoder, saved):
    loaded = DiffusionDecoder.from_pretrained(saved)
    assert loaded.config == CONFIG
    state = decoder.state_dict()
    assert loaded.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[key]) for key, tensor in loaded.state_dict().items())


def test_a_full_disk_leaves_what_was_saved_before(decoder, saved, monkeypatch):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def fill(path, content):
        raise OSError("No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", fill)
    with pytest.raises(OSError, match="No space left"):
        decoder.save_pretrained(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_what_else_is_in_the_folder_stays(decoder, saved):
    (saved / "notes.md").write_text("mine")
    decoder.save_pretrained(saved)
    assert (saved / "notes.md").read_text() == "mine"
    assert sorted(p.name for p in saved.iterdir()) == [
        "config.json",
        "model.safetensors",
        "notes.md",
    ]


def test_an_error_is_one_line(saved):
    (saved / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"^expected a DiffusionDecoder in .*safetensors.*$"):
        DiffusionDecoder.from_pretrained(saved)


def test_a_truncated_file_and_a_pickle(saved):
    path = saved / "model.safetensors"
    whole = path.read_bytes()
    for content in (whole[:-100], pickle.dumps({"weight": 1})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="deserializing header"):
            DiffusionDecoder.from_pretrained(saved)


def test_weights_of_other_sizes(saved):
    config = json.loads((saved / "config.json").read_text())
    config["unet"]["condition_channels"] = 16
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="size mismatch"):
        DiffusionDecoder.from_pretrained(saved)


def test_the_config_of_another_module(saved):
    (saved / "config.json").write_text('{"colour": 1}')
    with pytest.raises(ValueError, match="unexpected keyword argument 'colour'"):
        DiffusionDecoder.from_pretrained(saved)
    (saved / "config.json").unlink()
    with pytest.raises(ValueError, match=r"No such file.*config\.json"):
        DiffusionDecoder.from_pretrained(saved)


def test_the_hub_is_asked_for_two_files(decoder, saved, monkeypatch):
    asked = {}

    def download(repository, *, revision, allow_patterns):
        asked.update(repository=repository, revision=revision, files=allow_patterns)
        return str(saved)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    loaded = DiffusionDecoder.from_pretrained("somebody/module", revision="v1")
    assert loaded.config == CONFIG
    assert asked == {
        "repository": "somebody/module",
        "revision": "v1",
        "files": ["config.json", "model.safetensors"],
    }


def test_a_missing_extra_is_named(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"cond-diffusion\[hub\]"):
        DiffusionDecoder.from_pretrained(saved)
    with pytest.raises(ImportError, match=r"cond-diffusion\[hub\]"):
        DiffusionDecoder.from_pretrained("somebody/module")


def test_the_package_imports_neither():
    code = (
        "import sys, cond_diffusion; print([n for n in ('safetensors', 'huggingface_hub') "
        "if n in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "[]"


def test_the_base_is_saved_and_must_be_given_again(tmp_path):
    def base():
        return torch.nn.ConvTranspose2d(8, 3, 16, stride=16)

    decoder = DiffusionDecoder(CONFIG, base=base())
    decoder.save_pretrained(tmp_path)
    loaded = DiffusionDecoder.from_pretrained(tmp_path, base=base())
    assert torch.equal(loaded.base.weight, decoder.base.weight)
    with pytest.raises(ValueError, match=r"Unexpected key.*base\.weight"):
        DiffusionDecoder.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unet": {"base_channels": 8_000_000}}, "size mismatch|Missing key"),
        ({"unet": {"units": 10_000}}, "expected units in"),
        ({"schedule_steps": 10**12}, "at most 1048576 schedule_steps"),
        ({"steps": "3"}, "not supported between"),
        ({"unet": 3}, "must be a mapping"),
    ],
)
def test_a_config_cannot_ask_for_memory(saved, change, message):
    config = json.loads((saved / "config.json").read_text())
    config |= {k: config[k] | v if isinstance(v, dict) else v for k, v in change.items()}
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=f"^expected a DiffusionDecoder in .*({message})"):
        DiffusionDecoder.from_pretrained(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensor: tensor * torch.nan, "expected finite numbers in unet"),
        (lambda tensor: tensor.int(), "expected floats in unet"),
    ],
)
def test_weights_that_are_no_weights(saved, change, message):
    from safetensors.torch import load_file, save_file

    tensors = load_file(saved / "model.safetensors")
    name = next(name for name in tensors if name.startswith("unet"))
    save_file(tensors | {name: change(tensors[name])}, saved / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        DiffusionDecoder.from_pretrained(saved)


@pytest.mark.parametrize(
    "text", ["[]", "[" * 100_000, " " * (1 << 21)], ids=["list", "deep", "long"]
)
def test_texts_that_are_no_config(saved, text):
    (saved / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"^expected a DiffusionDecoder in "):
        DiffusionDecoder.from_pretrained(saved)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_the_model_of_something_else_is_not_replaced(decoder, tmp_path, name):
    (tmp_path / name).write_text('{"hidden_size": 768}')
    with pytest.raises(FileExistsError, match="of something else, which is not replaced"):
        decoder.save_pretrained(tmp_path)
    assert (tmp_path / name).read_text() == '{"hidden_size": 768}'
