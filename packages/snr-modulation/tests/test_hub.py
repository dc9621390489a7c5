import json
import pickle
import subprocess
import sys

import pytest
import torch

from snr_modulation import SNRAdapter


@pytest.fixture
def adapter():
    torch.manual_seed(0)
    module = SNRAdapter(4, hidden=6, identity=True, detach_input=False)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return module


@pytest.fixture
def saved(adapter, tmp_path):
    adapter.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def test_round_trip(adapter, saved):
    loaded = SNRAdapter.from_pretrained(saved)
    assert (loaded.gate_gain, loaded.detach_input) == (2.0, False)
    state = adapter.state_dict()
    assert loaded.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[key]) for key, tensor in loaded.state_dict().items())


def test_a_full_disk_leaves_what_was_saved_before(adapter, saved, monkeypatch):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def fill(path, content):
        raise OSError("No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", fill)
    with pytest.raises(OSError, match="No space left"):
        adapter.save_pretrained(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_what_else_is_in_the_folder_stays(adapter, saved):
    (saved / "notes.md").write_text("mine")
    adapter.save_pretrained(saved)
    assert (saved / "notes.md").read_text() == "mine"
    assert sorted(p.name for p in saved.iterdir()) == [
        "config.json",
        "model.safetensors",
        "notes.md",
    ]


def test_an_error_is_one_line(saved):
    (saved / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"^expected an SNRAdapter in .*safetensors.*$"):
        SNRAdapter.from_pretrained(saved)


def test_a_truncated_file_and_a_pickle(saved):
    path = saved / "model.safetensors"
    whole = path.read_bytes()
    for content in (whole[:-100], pickle.dumps({"weight": 1})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="deserializing header"):
            SNRAdapter.from_pretrained(saved)


def test_weights_of_other_sizes(saved):
    config = json.loads((saved / "config.json").read_text())
    config["hidden"] = 5
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="size mismatch"):
        SNRAdapter.from_pretrained(saved)


def test_the_config_of_another_module(saved):
    (saved / "config.json").write_text('{"colour": 1}')
    with pytest.raises(ValueError, match="unexpected keyword argument 'colour'"):
        SNRAdapter.from_pretrained(saved)
    (saved / "config.json").unlink()
    with pytest.raises(ValueError, match=r"No such file.*config\.json"):
        SNRAdapter.from_pretrained(saved)


def test_the_hub_is_asked_for_two_files(adapter, saved, monkeypatch):
    asked = {}

    def download(repository, *, revision, allow_patterns):
        asked.update(repository=repository, revision=revision, files=allow_patterns)
        return str(saved)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    loaded = SNRAdapter.from_pretrained("somebody/module", revision="v1")
    assert (loaded.gate_gain, loaded.detach_input) == (2.0, False)
    assert asked == {
        "repository": "somebody/module",
        "revision": "v1",
        "files": ["config.json", "model.safetensors"],
    }


def test_a_missing_extra_is_named(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"snr-modulation\[hub\]"):
        SNRAdapter.from_pretrained(saved)
    with pytest.raises(ImportError, match=r"snr-modulation\[hub\]"):
        SNRAdapter.from_pretrained("somebody/module")


def test_the_package_imports_neither():
    code = (
        "import sys, snr_modulation; print([n for n in ('safetensors', 'huggingface_hub') "
        "if n in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": 10**9}, "size mismatch"),
        ({"width": 2.5}, "expected an SNRAdapter"),
        ({"identity": "no"}, "expected true or false"),
    ],
)
def test_a_config_cannot_ask_for_memory(saved, change, message):
    config = json.loads((saved / "config.json").read_text()) | change
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=f"^expected an SNRAdapter in .*{message}|{message}"):
        SNRAdapter.from_pretrained(saved)


def test_weights_that_are_no_weights(saved):
    from safetensors.torch import load_file, save_file

    tensors = load_file(saved / "model.safetensors")
    for wrong, message in ((torch.nan, "expected finite numbers"), (0, "expected floats")):
        filled = torch.full_like(tensors["layers.0.weight"], wrong)
        other = filled if message.endswith("numbers") else filled.int()
        save_file(tensors | {"layers.0.weight": other}, saved / "model.safetensors")
        with pytest.raises(ValueError, match=message):
            SNRAdapter.from_pretrained(saved)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_the_model_of_something_else_is_not_replaced(adapter, tmp_path, name):
    (tmp_path / name).write_text('{"hidden_size": 768}')
    with pytest.raises(FileExistsError, match="of something else, which is not replaced"):
        adapter.save_pretrained(tmp_path)
    assert (tmp_path / name).read_text() == '{"hidden_size": 768}'
