"""A model in a folder or on the Hugging Face Hub: its config as JSON, its tensors as safetensors.

`huggingface_hub.PyTorchModelHubMixin` alone is not enough: it removes `config.json` before it
writes, writes the weights in place, ignores unknown keys of a config and takes nested ones for
plain dicts, loads pickles where there is no safetensors file, and prints. So `ModelHubMixin` gives
the model card and the upload, and the files are written and read here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from huggingface_hub import ModelHubMixin, snapshot_download
from torch import Tensor, nn

from lrisc_system.storage.files import replacing
from lrisc_system.storage.json_files import parse_json, read_text
from lrisc_system.storage.tensors import (
    CheckpointError,
    check_fit,
    load_weights,
    read_header,
    write_tensors,
)

if TYPE_CHECKING:
    from typing_extensions import Self

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
CARD_NAME = "README.md"
MAX_CONFIG_BYTES = 1 << 20

MODEL_NAME = "model"  # in the folder of a run: the finished model
STATES_NAME = "checkpoints"  # and what it can be resumed from

Model = TypeVar("Model", bound=nn.Module)


def write_model(folder: Path, *, config: str, tensors: Mapping[str, Tensor]) -> None:
    """Write the two files of a model; other files of the folder stay, as `replacing` says.

    A config or weights of something else are other files too: they are refused, not replaced.

    Args:
        folder: made if it is missing.
        config: JSON text.
        tensors: by their names in the model.

    Raises:
        OSError: the disk is full or refuses, or the folder holds a model of another kind.
    """
    refuse_foreign_model(folder, config)
    with replacing(folder) as fresh:
        _write_files(fresh, config=config, tensors=tensors)


def refuse_foreign_model(folder: Path, config: str) -> None:
    """Refuse a folder with a config of other keys, or with weights that have no config.

    Args:
        folder: to write a model into.
        config: JSON text of the model's config.

    Raises:
        FileExistsError: if there is one.
    """
    path = folder / CONFIG_NAME
    if not path.exists() and not (folder / WEIGHTS_NAME).exists():
        return
    try:
        same = parse_json(read_text(path)).keys() == parse_json(config).keys()
    except (OSError, ValueError, AttributeError):
        same = False
    if not same:
        raise FileExistsError(
            f"{folder} holds the {CONFIG_NAME} or {WEIGHTS_NAME} of something else, which is not "
            "replaced: choose another folder"
        )


def _write_files(folder: Path, *, config: str, tensors: Mapping[str, Tensor]) -> None:
    (folder / CONFIG_NAME).write_text(config + "\n")
    write_tensors(tensors, folder / WEIGHTS_NAME)


def read_model(folder: Path, build: Callable[[str], Model], *, rehearse: bool = True) -> Model:
    """Read a model that `write_model` wrote, in evaluation mode.

    Nothing of the size that the config asks for is allocated before the weights are known to have
    that size too: the model is first built on the device `meta`, without memory.

    Args:
        folder: with `config.json` and `model.safetensors`.
        build: JSON text of the config -> model; raises ValueError for a config that it cannot use.
        rehearse: build on `meta` first; false for a function of the user's, which may not bear it.

    Raises:
        CheckpointError: if files are missing, damaged or of another model.
    """
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"expected a checkpoint folder with {name}, got {folder}{name_finished(folder)}"
            )
    weights = folder / WEIGHTS_NAME
    try:
        text = read_text(folder / CONFIG_NAME, max_bytes=MAX_CONFIG_BYTES)
        if rehearse:
            with torch.device("meta"):
                sketch = build(text)
            check_fit(sketch, read_header(weights), weights)
        model = build(text)
    except CheckpointError:
        raise
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{folder / CONFIG_NAME}: {error}") from error
    except (RuntimeError, OverflowError, MemoryError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CheckpointError(
            f"{folder / CONFIG_NAME}: no model of these sizes can be built ({reason})"
        ) from error
    load_weights(model, weights)
    try:
        for part in model.modules():
            check = getattr(part, "check_tables", None)
            if callable(check):
                check()
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(f"{weights}: {error}") from error
    return model.eval()


def name_finished(folder: Path) -> str:
    """Say where the finished model lies if a folder is that of a run, or below its checkpoints.

    Returns:
        The end of an error message, empty if there is no such model.
    """
    runs = [folder, *(p.parent for p in (folder, *folder.parents) if p.name == STATES_NAME)]
    models = (run / MODEL_NAME for run in runs)
    found = next((model for model in models if (model / CONFIG_NAME).is_file()), None)
    return "" if found is None else f"; the finished model of this run is in {found}"


class HubModel(ModelHubMixin, library_name="lrisc", license="mit", pipeline_tag="image-to-image"):
    """Gives a module `save_pretrained`, `from_pretrained` and `push_to_hub`.

    A subclass, which is a module too, says what is stored by `config_json` and `stored_tensors`,
    and builds a model again by `from_config_json`.
    """

    def config_json(self) -> str:
        """Write the config as JSON text."""
        raise NotImplementedError

    def stored_tensors(self, *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """List the tensors to store, those that bear it rounded to `dtype`."""
        raise NotImplementedError

    @classmethod
    def from_config_json(cls, text: str, **parts: Any) -> Self:
        """Build a model from what `config_json` wrote, and from parts that it does not describe.

        Raises:
            ValueError: if the text is not a config of this class.
        """
        raise NotImplementedError

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], *, repo_id: str | None = None, **options: Any
    ) -> str | None:
        """Write the model into a folder, with a model card if it has none; other files stay.

        Args:
            save_directory: the folder.
            repo_id: `owner/name` on the Hub, for `push_to_hub=True`; the folder's name by default.
            options: of `huggingface_hub.ModelHubMixin.save_pretrained`.

        Returns:
            Address of the commit on the Hub with `push_to_hub=True`, else none.
        """
        folder = Path(save_directory)
        refuse_foreign_model(folder, self.config_json())
        with replacing(folder) as fresh:
            commit = super().save_pretrained(fresh, repo_id=repo_id or folder.name, **options)
            if (folder / CARD_NAME).exists():
                (fresh / CARD_NAME).unlink()
        return commit

    def _save_pretrained(self, save_directory: Path) -> None:
        _write_files(save_directory, config=self.config_json(), tensors=self.stored_tensors())

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        token: str | bool | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        **parts: Any,
    ) -> Self:
        """Load a model in evaluation mode, from a folder or from a repository of the Hub.

        Args:
            pretrained_model_name_or_path: a folder, or `owner/name` on the Hub.
            revision: branch, tag or commit on the Hub.
            cache_dir: where downloads are kept.
            token: for the Hub.
            force_download: download what is kept already.
            local_files_only: do not ask the network.
            parts: keyword arguments of `from_config_json`.

        Raises:
            CheckpointError: if files are missing, damaged, pickled, or of another model.
        """
        folder = Path(pretrained_model_name_or_path)
        if not folder.is_dir():
            try:
                folder = Path(
                    snapshot_download(
                        str(pretrained_model_name_or_path),
                        allow_patterns=[CONFIG_NAME, WEIGHTS_NAME],
                        revision=revision,
                        cache_dir=cache_dir,
                        token=token,
                        force_download=force_download,
                        local_files_only=local_files_only,
                    )
                )
            except (OSError, ValueError) as error:
                reason = str(error).splitlines()[0]
                raise CheckpointError(
                    "expected a folder or a repository of the Hugging Face Hub, got "
                    f"{pretrained_model_name_or_path}: {reason}"
                ) from error
        return read_model(  # type: ignore[type-var]
            folder,
            lambda text: cls.from_config_json(text, **parts),
            rehearse=parts.get("make_model") is None,
        )
