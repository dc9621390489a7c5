"""LRISC with one of its parts removed, without new training.

Each function takes a model in evaluation mode and returns another one that shares no weights with
it; `require_steps` and `require_realism` only check. A model that was trained without a part may
lose less than these: it learns to do without.
"""

from __future__ import annotations

import copy
from dataclasses import replace

from torch import Tensor, nn

from entropy_hyperprior import HyperpriorOutput
from jscc_ratetoken import SNRIdentity
from lrisc_system.decoders import SynthesisDecoder, takes, takes_realism
from lrisc_system.evaluation.links.link import UnavailableError
from lrisc_system.system import LRISC


def without_snr_module(system: LRISC) -> LRISC:
    """Leave features as they are, whatever the SNR (Sec. III-A.3); LMMSE still knows it.

    Raises:
        UnavailableError: the model's JSCC codec has no such module.
    """
    changed = copy.deepcopy(system)
    for side in ("jscc_encoder", "jscc_decoder"):
        codec = changed.get_submodule(side)
        if not hasattr(codec, "snr_adapter"):
            raise UnavailableError(f"the {side} has no SNR adaptive module")
        codec.snr_adapter = SNRIdentity()
    return changed


def with_one_rate(system: LRISC) -> LRISC:
    """Give every token of an image the same number of symbols, whatever Eq. (6) would give it."""
    changed = copy.deepcopy(system)
    changed.get_submodule("hyperprior").register_forward_hook(_share_evenly)
    return changed


def _share_evenly(
    hyperprior: nn.Module, inputs: tuple[Tensor, ...], output: HyperpriorOutput
) -> HyperpriorOutput:
    """Believe all tokens (B, h, w) of an image to hold equally many bits."""
    bits = output.token_bits
    return replace(output, token_bits=bits.mean(dim=(1, 2), keepdim=True).expand_as(bits))


def without_diffusion(system: LRISC) -> LRISC:
    """Show the image that g_s makes of y_hat, which the diffusion decoder starts from.

    Raises:
        UnavailableError: the model's decoder starts from no such image.
    """
    changed = copy.deepcopy(system)
    base = getattr(changed.decoder, "base", None)
    if base is None:
        raise UnavailableError("the image decoder starts from no synthesis transform")
    changed.decoder = SynthesisDecoder(base)
    return changed


def require_steps(system: LRISC) -> LRISC:
    """Return the model unchanged if its image decoder samples in a chosen number of steps.

    Raises:
        UnavailableError: it does not.
    """
    if not takes(system.decoder, "steps"):
        raise UnavailableError("the image decoder does not sample in several steps")
    return system


def require_realism(system: LRISC) -> LRISC:
    """Return the model unchanged if the realism of its images can be chosen.

    Raises:
        UnavailableError: it cannot.
    """
    if not takes_realism(system.decoder):
        raise UnavailableError("the image decoder takes no realism")
    return system
