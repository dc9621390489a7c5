"""Sharing models by a folder or the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from huggingface_hub import ModelHubMixin, snapshot_download

from roi_saliency import SaliencyDetector

if TYPE_CHECKING:
    from lrisc_system.decoders import ImageDecoder
    from lrisc_system.system import LRISC


class HubModel(ModelHubMixin, library_name="lrisc", license="mit", pipeline_tag="image-to-image"):
    """Gives a model `save_pretrained`, `from_pretrained` and `push_to_hub`.

    The files are those of `save_model`, which can also store them in float16: safetensors and JSON,
    read strictly.
    """

    # checkpoint.py imports the model, which is made of this class: so it is imported late.

    def _save_pretrained(self, save_directory: Path) -> None:
        from lrisc_system.storage.checkpoint import save_model

        save_model(cast("LRISC", self), save_directory)

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        expected_preset: str | None = None,
        detector: SaliencyDetector | None = None,
        decoder: ImageDecoder | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        token: str | bool | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ) -> LRISC:
        """Load a model in evaluation mode, from a folder or from a repository of the Hub.

        Args:
            pretrained_model_name_or_path: a folder, or `owner/name` on the Hub.
            expected_preset: refuse a model of any other preset.
            detector: saliency detector of the model.
            decoder: image decoder of the model, if it is not the default one.
            revision: branch, tag or commit on the Hub.
            cache_dir: where downloads are kept.
            token: for the Hub.
            force_download: download what is kept already.
            local_files_only: do not ask the network.

        Raises:
            CheckpointError: if files are missing, damaged, pickled, or of another model.
        """
        from lrisc_system.storage.checkpoint import (
            CONFIG_NAME,
            WEIGHTS_NAME,
            CheckpointError,
            load_model,
        )

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
        return load_model(
            folder, expected_preset=expected_preset, detector=detector, decoder=decoder
        )
