"""Keeping a module in a folder or on the Hugging Face Hub; needs the extra [hub], and only here."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"
EXTRA = "pip install 'snr-modulation[hub]'"


def save(module: nn.Module, config: Mapping[str, Any], folder: str | Path) -> None:
    """Write a module's tensors to `model.safetensors` and its config to `config.json`.

    Each file takes its place when it is whole: what stood there before is there until then.

    Raises:
        ImportError: without the extra [hub].
    """
    try:
        from safetensors.torch import save as to_bytes
    except ImportError as error:
        raise ImportError(f"saving needs safetensors: {EXTRA}") from error
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    described = (json.dumps(dict(config), indent=2) + "\n").encode()
    for name, content in ((WEIGHTS_NAME, to_bytes(tensors)), (CONFIG_NAME, described)):
        part = folder / f".{name}.part"
        part.write_bytes(content)
        part.replace(folder / name)


def find(folder_or_id: str | Path, *, revision: str | None = None) -> Path:
    """Return a local folder, or download a repository of the Hub: `owner/name`.

    Raises:
        ImportError: without the extra [hub], for a repository.
        ValueError: if it cannot be had.
    """
    if Path(folder_or_id).is_dir():
        return Path(folder_or_id)
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(f"{folder_or_id} is no folder, and the Hub needs: {EXTRA}") from error
    try:
        files = [CONFIG_NAME, WEIGHTS_NAME]
        return Path(snapshot_download(str(folder_or_id), revision=revision, allow_patterns=files))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"expected a folder or a repository of the Hub, got {folder_or_id}: {reason}"
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json`.

    Raises:
        ValueError: if it is missing or no JSON object.
    """
    path = folder / CONFIG_NAME
    if not path.is_file():
        raise ValueError(f"expected {CONFIG_NAME} in {folder}, there is none")
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(config).__name__}")
    return config


def load_weights(module: nn.Module, folder: Path) -> None:
    """Read `model.safetensors` into a module, strictly.

    Raises:
        ImportError: without the extra [hub].
        ValueError: if the file is missing, damaged, a pickle, or of another module.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise ImportError(f"loading needs safetensors: {EXTRA}") from error
    path = folder / WEIGHTS_NAME
    if not path.is_file():
        raise ValueError(f"expected {WEIGHTS_NAME} in {folder}, there is none")
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: damaged or no safetensors file ({error})") from error
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ValueError(f"{path} does not fit the module: {first}") from error
