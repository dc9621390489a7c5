"""Damaged and forged model folders: config.json, model.safetensors, run.json."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lrisc_system.config import TINY
from lrisc_system.storage.checkpoint import load_model, recorded_model, save_model
from lrisc_system.storage.tensors import CheckpointError
from lrisc_system.system import LRISC
from torture.outcome import Tally, damage, tally

COUNT = 500
VALUES = (0, -1, 2, 7, 64, 65536, 10**9, 10**400, 0.5, 1e308, True, None, "8", [], [1, 2], {})
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "run.json"


def torture_models(folder: Path, count: int = COUNT, *, seed: int = 0) -> Tally:
    """Open `count` forged models; what opens must also send and receive.

    Args:
        folder: empty, for the models.
        count: number of models.
        seed: of the damage.
    """
    torch.manual_seed(seed)
    original = folder / "original"
    save_model(LRISC(TINY), original)
    (original / CARD).write_text('{"model": "lrisc", "preset": "tiny"}')
    image = torch.rand(1, 3, 24, 32)

    def check(system: object) -> str | None:
        assert isinstance(system, LRISC)
        try:
            received = system.transmit(image, 10.0)[0]
        except ValueError:  # finite numbers that no image passes: one line as well
            return None
        return None if received.isfinite().all() else "expected an image of finite values"

    cases = make_cases(original, folder / "model", count=count, random=Random(seed))
    return tally("weights and configs", cases, allowed=CheckpointError, check=check)


def make_cases(
    original: Path, target: Path, *, count: int, random: Random
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the name and the opening of each forged model, in `target` until the next."""
    forgers = (damage_one_file, forge_config, forge_tensor, forge_tables)
    for index in range(count):
        forge = forgers[index % len(forgers)]
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(original, target)
        forge(target, random)

        def open_model() -> object:
            recorded_model(target)
            return load_model(target)

        yield f"{index} {forge.__name__}", open_model


def damage_one_file(folder: Path, random: Random) -> None:
    """Damage the bytes of one of the three files."""
    path = folder / random.choice((CONFIG, WEIGHTS, CARD))
    path.write_bytes(damage(path.read_bytes(), random))


def forge_config(folder: Path, random: Random) -> None:
    """Give one to three numbers of the config other values."""
    config = json.loads((folder / CONFIG).read_text())
    for _ in range(random.randint(1, 3)):
        place = config
        while True:
            name = random.choice(list(place))
            if not isinstance(place[name], dict) or not place[name] or random.random() < 0.1:
                break
            place = place[name]
        place[name] = random.choice(VALUES)
    (folder / CONFIG).write_text(json.dumps(config))


def forge_tensor(folder: Path, random: Random) -> None:
    """Give one tensor another shape, type or content, or leave it out."""
    tensors = load_file(folder / WEIGHTS)
    name = random.choice(sorted(tensors))
    changed = change(tensors.pop(name), random)
    save_file(tensors if changed is None else tensors | {name: changed}, folder / WEIGHTS)


def forge_tables(folder: Path, random: Random) -> None:
    """Change the coding tables, in which a wrong number would crash the coder."""
    tensors = load_file(folder / WEIGHTS)
    tables = [name for name in sorted(tensors) if "bottleneck" in name]
    for name in random.sample(tables, random.randint(1, 2)):
        changed = change(tensors.pop(name), random)
        if changed is not None:
            tensors[name] = changed
    save_file(tensors, folder / WEIGHTS)


def change(tensor: Tensor, random: Random) -> Tensor | None:
    """Change a tensor, or return None."""
    kind = random.randrange(7)
    if kind == 0:
        return None
    if kind == 1:
        return tensor.flatten()[: random.randint(0, 3)].clone()
    if kind == 2:
        return tensor.to(random.choice((torch.int32, torch.float16, torch.float64, torch.uint8)))
    if kind == 3:
        return torch.full_like(tensor, random.choice((0, 1, -1, 100, 2**20)))
    if kind == 4 and tensor.is_floating_point():
        return torch.full_like(tensor, random.choice((torch.nan, torch.inf, 1e30, -1e30)))
    if kind == 5 and tensor.numel():
        changed = tensor.flatten().clone()
        changed[random.randrange(len(changed))] = random.choice((0, -7, 30_000))
        return changed.view_as(tensor)
    return tensor.unsqueeze(0).contiguous()
