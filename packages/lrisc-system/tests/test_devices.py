import pytest
import torch

from lrisc_system.devices import describe_device, find_device, list_devices


def test_the_cpu_is_always_there():
    assert list_devices()[0] == "cpu"
    assert find_device("cpu") == find_device(None) == torch.device("cpu")


def test_gpus_are_named_one_by_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert list_devices() == ["cpu", "cuda", "cuda:0", "cuda:1"]
    assert find_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(ValueError, match=r"of cpu, cuda, cuda:0, cuda:1, got 'cuda:2'"):
        find_device("cuda:2")


def test_what_is_no_device_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    for name in ("cuda", "meta", "gpu", ""):
        with pytest.raises(ValueError, match=f"expected a device of cpu, mps, got '{name}'"):
            find_device(name)


def test_a_device_is_described_by_its_model_or_its_kind(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    assert describe_device(torch.device("cuda", 1)) == "NVIDIA H100"
    assert describe_device(torch.device("cpu")).startswith("cpu (")
