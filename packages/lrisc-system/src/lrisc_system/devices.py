"""What `--device` may name on this machine."""

from __future__ import annotations

import torch


def list_devices() -> list[str]:
    """Name the devices of this machine, such as cpu, cuda, cuda:0, cuda:1 or mps."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    apple = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *(["cuda", *gpus] if gpus else []), *apple]


def find_device(name: str | None) -> torch.device:
    """Look up what `--device` names; the CPU by default.

    Raises:
        ValueError: if this machine has no such device.
    """
    if name is None:
        return torch.device("cpu")
    if name not in list_devices():
        raise ValueError(f"expected a device of {', '.join(list_devices())}, got {name!r}")
    return torch.device(name)
