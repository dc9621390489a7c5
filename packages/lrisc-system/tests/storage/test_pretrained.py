import pickle

import pytest
import torch

from lrisc_system.config import TINY
from lrisc_system.storage.checkpoint import save_model
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


def test_a_model_goes_through_the_hubs_methods(system, tmp_path):
    system.save_pretrained(tmp_path / "model")
    loaded = LRISC.from_pretrained(tmp_path / "model", expected_preset="tiny")
    assert isinstance(loaded, LRISC)
    assert not loaded.training
    for name, parameter in system.named_parameters():
        if not name.endswith("quantiles"):  # saving sets them from the prior of z
            assert torch.equal(loaded.get_parameter(name), parameter), name
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]


def test_from_pretrained_refuses_what_load_model_refuses(saved):
    with pytest.raises(CheckpointError, match="not a checkpoint of the preset 'small'"):
        LRISC.from_pretrained(saved, expected_preset="small")
    (saved / WEIGHTS_NAME).write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(CheckpointError, match="damaged or no safetensors"):
        LRISC.from_pretrained(saved)


@pytest.mark.parametrize("place", [".", "checkpoints", "checkpoints/2-last-000001"])
def test_the_folder_of_a_run_names_its_finished_model(system, tmp_path, place):
    run = tmp_path / "run"
    folder = run / place
    folder.mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"config\.json, got \S+$"):
        LRISC.from_pretrained(folder)
    save_model(system, run / "model")
    with pytest.raises(CheckpointError) as caught:
        LRISC.from_pretrained(folder)
    assert str(caught.value) == (
        f"expected a checkpoint folder with config.json, got {folder}; "
        f"the finished model of this run is in {run / 'model'}"
    )


def test_a_repository_that_cannot_be_reached(tmp_path):
    with pytest.raises(CheckpointError, match="got nobody/nothing"):
        LRISC.from_pretrained("nobody/nothing", cache_dir=tmp_path, local_files_only=True)


def test_a_repository_is_asked_for_its_two_files(saved, monkeypatch):
    asked = {}

    def download(repository, **options):
        asked.update(options, repository=repository)
        return str(saved)

    monkeypatch.setattr("lrisc_system.storage.pretrained.snapshot_download", download)
    LRISC.from_pretrained("somebody/lrisc-tiny", revision="v1")
    assert asked["repository"] == "somebody/lrisc-tiny"
    assert asked["revision"] == "v1"
    assert asked["allow_patterns"] == ["config.json", "model.safetensors"]


def test_saving_again_leaves_what_else_is_in_the_folder(system, saved):
    (saved / "README.md").write_text("my own card")
    (saved / "notes.md").write_text("mine")
    before = (saved / "config.json").read_text()
    system.save_pretrained(saved)
    assert (saved / "README.md").read_text() == "my own card"
    assert (saved / "notes.md").read_text() == "mine"
    assert (saved / "config.json").read_text() == before


def test_a_writer_that_fails_leaves_the_old_model(system, saved, monkeypatch):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def fail(tensors, path):
        raise OSError("disk full")

    monkeypatch.setattr("lrisc_system.storage.pretrained.write_tensors", fail)
    with pytest.raises(OSError, match="disk full"):
        system.save_pretrained(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_an_upload_is_a_folder_with_config_card_and_weights(system, monkeypatch):
    sent = {}

    def upload(self, *, repo_id, folder_path, **options):
        sent.update(repository=repo_id, files=sorted(path.name for path in folder_path.iterdir()))
        return "commit"

    class Repository:
        repo_id = "somebody/lrisc-tiny"

    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", lambda self, **options: Repository)
    monkeypatch.setattr("huggingface_hub.HfApi.upload_folder", upload)
    assert system.push_to_hub("somebody/lrisc-tiny") == "commit"
    assert sent["repository"] == "somebody/lrisc-tiny"
    assert sent["files"] == ["README.md", "config.json", "model.safetensors"]
