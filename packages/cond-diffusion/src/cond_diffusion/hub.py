"""Save a module to a folder; load it from there or from the Hugging Face Hub.

Only this file needs the extra [hub]. `huggingface_hub.PyTorchModelHubMixin` would have to be
imported with the package. It also removes `config.json` before it writes, writes weights in place,
ignores unknown keys of a config, and falls back to pickles.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"
EXTRA = "pip install 'cond-diffusion[hub]'"
FLOATS, MAX_CONFIG_BYTES = {"F64", "F32", "F16", "BF16"}, 1 << 20
Module = TypeVar("Module", bound=nn.Module)


def save(module: nn.Module, config: Mapping[str, Any], folder: str | Path) -> None:
    """Write the tensors and the config of a module; a file is never left incomplete.

    Raises:
        ImportError: if the extra [hub] is not installed.
        FileExistsError: if the folder holds a config or weights of something else.
    """
    try:
        from safetensors.torch import save as to_bytes
    except ImportError as error:
        raise ImportError(f"saving needs safetensors: {EXTRA}") from error
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_foreign(folder, config)
    tensors = to_bytes({name: part.contiguous() for name, part in module.state_dict().items()})
    text = json.dumps(dict(config), indent=2) + "\n"
    for name, content in ((WEIGHTS_NAME, tensors), (CONFIG_NAME, text.encode())):
        part = folder / f".{name}.part"
        part.write_bytes(content)
        part.replace(folder / name)


def load(
    build: Callable[[dict[str, Any]], Module],
    folder_or_id: str | Path,
    *,
    revision: str | None = None,
) -> Module:
    """Build a module from its config and load its tensors; all keys must match.

    Args:
        build: makes the module from the config that `save` wrote.
        folder_or_id: a folder, or `owner/name` on the Hub.
        revision: branch, tag or commit on the Hub.

    Raises:
        ImportError: if the extra [hub] is not installed.
        ValueError: if the files are missing, damaged, or of another module.
    """
    try:
        from huggingface_hub import snapshot_download
        from safetensors import SafetensorError
    except ImportError as error:
        raise ImportError(f"loading needs safetensors and huggingface_hub: {EXTRA}") from error
    folder, files = Path(folder_or_id), [CONFIG_NAME, WEIGHTS_NAME]
    try:
        if not folder.is_dir():
            found = snapshot_download(str(folder_or_id), revision=revision, allow_patterns=files)
            folder = Path(found)
        return _read(build, folder)
    except (OSError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise _refusal(error, folder_or_id) from error
    except (RuntimeError, MemoryError, SafetensorError) as error:
        raise _refusal(error, folder_or_id) from error


def _refusal(error: BaseException, folder_or_id: str | Path) -> ValueError:
    """Say in one line that something else was found."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return ValueError(f"expected a DiffusionDecoder in {folder_or_id}: {reason:.300}")


def _read(build: Callable[[dict[str, Any]], Module], folder: Path) -> Module:
    """Build a module and load its tensors, once config and tensors are known to fit each other.

    The module is first built on the device `meta`, so that a config cannot ask for memory.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file

    config = _read_config(folder / CONFIG_NAME)
    with torch.device("meta"):
        expected = build(config).state_dict()
    path = folder / WEIGHTS_NAME
    with safe_open(path, framework="pt") as file:
        for name in file.keys() & expected.keys():
            part, own = file.get_slice(name), expected[name]
            if tuple(part.get_shape()) != own.shape:
                raise ValueError(f"size mismatch for {name}: expected {tuple(own.shape)}")
            if own.is_floating_point() and part.get_dtype() not in FLOATS:
                raise ValueError(f"expected floats in {name}, got {part.get_dtype()}")
        lacking = sorted(expected.keys() - file.keys())
        if lacking:
            raise ValueError(f"Missing key(s): {', '.join(lacking)}")
    tensors = load_file(path)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"expected finite numbers in {name}, got inf or nan")
    module = build(config)
    module.load_state_dict(tensors)
    return module


def _read_config(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise ValueError(f"expected a config of at most {MAX_CONFIG_BYTES} bytes")
    config = json.loads(path.read_text())
    if not isinstance(config, dict):
        raise ValueError(f"expected a config with keys, got {type(config).__name__}")
    return config


def _refuse_foreign(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse to replace a config of other keys, or weights that have no config."""
    path = folder / CONFIG_NAME
    if not path.exists() and not (folder / WEIGHTS_NAME).exists():
        return
    try:
        same = _read_config(path).keys() == config.keys()
    except (OSError, ValueError):
        same = False
    if not same:
        raise FileExistsError(
            f"{folder} holds the {CONFIG_NAME} or {WEIGHTS_NAME} of something else, which is not "
            "replaced: choose another folder"
        )
