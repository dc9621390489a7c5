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
from lrisc_system.storage.tensors import CheckpointError, load_weights, write_tensors

if TYPE_CHECKING:
    from typing_extensions import Self

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
CARD_NAME = "README.md"

MODEL_NAME = "model"  # in the folder of a run: the finished model
STATES_NAME = "checkpoints"  # and what it can be resumed from

Model = TypeVar("Model", bound=nn.Module)


def write_model(folder: Path, *, config: str, tensors: Mapping[str, Tensor]) -> None:
    """Write the two files of a model; other files of the folder stay, as `replacing` says.

    Args:
        folder: made if it is missing.
        config: JSON text.
        tensors: by their names in the model.

    Raises:
        OSError: the disk is full or refuses.
    """
    with replacing(folder) as fresh:
        _write_files(fresh, config=config, tensors=tensors)


def _write_files(folder: Path, *, config: str, tensors: Mapping[str, Tensor]) -> None:
    (folder / CONFIG_NAME).write_text(config + "\n")
    write_tensors(tensors, folder / WEIGHTS_NAME)


def read_model(folder: Path, build: Callable[[str], Model]) -> Model:
    """Read a model that `write_model` wrote, in evaluation mode.

    Args:
        folder: with `config.json` and `model.safetensors`.
        build: JSON text of the config -> model; raises ValueError for a config that it cannot use.

    Raises:
        CheckpointError: if files are missing, damaged or of another model.
    """
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"expected a checkpoint folder with {name}, got {folder}{name_finished(folder)}"
            )
    try:
        model = build((folder / CONFIG_NAME).read_text())
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG_NAME}: {error}") from error
    load_weights(model, folder / WEIGHTS_NAME)
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
        return read_model(folder, lambda text: cls.from_config_json(text, **parts))  # type: ignore[type-var]
