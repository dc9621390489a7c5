"""The devices of this machine, by the names that `--device` takes."""

from __future__ import annotations

import platform

import torch


def list_devices() -> list[str]:
    """List the devices of this machine, such as cpu, cuda, cuda:0, cuda:1 or mps."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    apple = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *(["cuda", *gpus] if gpus else []), *apple]


def find_device(name: str | None) -> torch.device:
    """Look up a device by its name; the CPU by default.

    Raises:
        ValueError: if this machine has no such device.
    """
    if name is None:
        return torch.device("cpu")
    if name not in list_devices():
        raise ValueError(f"expected a device of {', '.join(list_devices())}, got {name!r}")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Name the model of a GPU, or the kind of any other device: `NVIDIA H100`, `cpu (x86_64)`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()})"
