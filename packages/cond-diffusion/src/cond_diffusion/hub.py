"""Save a module to a folder; load it from there or from the Hugging Face Hub.

Only this file needs the extra [hub]. `huggingface_hub.PyTorchModelHubMixin` would have to be
imported with the package. It also removes `config.json` before it writes, writes weights in place,
ignores unknown keys of a config, and falls back to pickles.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"
EXTRA = "pip install 'cond-diffusion[hub]'"
Module = TypeVar("Module", bound=nn.Module)


def save(module: nn.Module, config: Mapping[str, Any], folder: str | Path) -> None:
    """Write the tensors and the config of a module; a file is never left incomplete.

    Raises:
        ImportError: if the extra [hub] is not installed.
    """
    try:
        from safetensors.torch import save as to_bytes
    except ImportError as error:
        raise ImportError(f"saving needs safetensors: {EXTRA}") from error
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
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
        from safetensors.torch import load_file
    except ImportError as error:
        raise ImportError(f"loading needs safetensors and huggingface_hub: {EXTRA}") from error
    folder, files = Path(folder_or_id), [CONFIG_NAME, WEIGHTS_NAME]
    try:
        if not folder.is_dir():
            found = snapshot_download(str(folder_or_id), revision=revision, allow_patterns=files)
            folder = Path(found)
        module = build(json.loads((folder / CONFIG_NAME).read_text()))
        module.load_state_dict(load_file(folder / WEIGHTS_NAME))
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"expected a DiffusionDecoder in {folder_or_id}: {reason:.300}") from error
    return module
