"""The signal chain as files hold it: its config as JSON, and its tensors by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from lrisc_system.config import LRISCConfig, preset
from lrisc_system.decoders import ImageDecoder
from lrisc_system.parts import HyperpriorPart
from lrisc_system.signal_chain import SignalChain
from lrisc_system.storage.pretrained import HubModel
from lrisc_system.storage.tensors import plain_name
from roi_saliency import SaliencyDetector

if TYPE_CHECKING:
    from typing_extensions import Self

PRIOR_OF_Z = "hyperprior.bottleneck."


class StoredChain(SignalChain, HubModel):
    """A signal chain that is written to a folder or the Hub, and read again.

    A subclass takes a config, a `detector` and a `decoder` in its constructor.
    """

    def config_json(self) -> str:
        """Write the config as JSON text."""
        return self.config.to_json()

    @classmethod
    def from_config_json(  # type: ignore[override]
        cls,
        text: str,
        *,
        expected_preset: str | None = None,
        detector: SaliencyDetector | None = None,
        decoder: ImageDecoder | None = None,
        make_model: Callable[[LRISCConfig], Any] | None = None,
    ) -> Self:
        """Build an untrained model from its config.

        Args:
            text: JSON text from `config_json`.
            expected_preset: name of the preset that the config must be of.
            detector: saliency detector, as the constructor takes it.
            decoder: image decoder, as the constructor takes it.
            make_model: config -> model; replaces the constructor, `detector` and `decoder`.

        Raises:
            ValueError: if the text is not a config of LRISC, or is one of another preset.
        """
        try:
            config = LRISCConfig.from_json(text)
        except ValueError as error:
            raise ValueError(f"not a config of LRISC: {error}") from error
        if expected_preset is not None and config != preset(expected_preset):
            raise ValueError(f"not a checkpoint of the preset {expected_preset!r}")
        if make_model is not None:
            made: Self = make_model(config)
            return made
        build = cast("Callable[..., Self]", cls)  # the subclass takes a detector too
        return build(config, detector=detector, decoder=decoder)

    def stored_tensors(self, *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """Return the tensors to store, name -> tensor: parameters in `dtype`, new coding tables.

        Tensors of compiled parts go by their plain names. The prior of z keeps its precision,
        because the coding tables are computed from it.
        """
        hyperprior = copy.deepcopy(self.get_submodule("hyperprior"))
        cast(HyperpriorPart, hyperprior).update()
        coder = hyperprior.state_dict(prefix="hyperprior.")
        rounded = {
            name
            for name, parameter in self.named_parameters(remove_duplicate=False)
            if parameter.is_floating_point() and not plain_name(name).startswith(PRIOR_OF_Z)
        }
        return {
            plain_name(name): tensor.to(dtype) if name in rounded else tensor
            for name, tensor in (self.state_dict() | coder).items()
        }
