"""LRISC with one of its parts taken out; nothing is trained anew.

Each function takes a model in evaluation mode and gives another one, which shares no weights with
it. What a part is worth to a model that never had it may be less: such a model learns around the
gap.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Generator, Tensor

from cond_diffusion import DiffusionDecoder
from jscc_ratetoken import SNRIdentity
from lrisc_system.decoders import SynthesisDecoder
from lrisc_system.evaluation.links import UnavailableError
from lrisc_system.system import LRISC, Source


def without_snr_module(system: LRISC) -> LRISC:
    """Leave features as they are, whatever the SNR (Sec. III-A.3); LMMSE still knows it."""
    changed = copy.deepcopy(system)
    changed.jscc_encoder.snr_adapter = SNRIdentity()
    changed.jscc_decoder.snr_adapter = SNRIdentity()
    return changed


class OneRate(LRISC):
    """Believes all tokens of an image to hold equally much, so that Eq. (6) gives all one rate."""

    def encode(
        self,
        image: Tensor,
        saliency: Tensor,
        *,
        alpha: float | Tensor | None = None,
        generator: Generator | None = None,
    ) -> Source:
        """Analyse an image as LRISC does, and share its information out evenly."""
        source = super().encode(image, saliency, alpha=alpha, generator=generator)
        bits = source.prior.token_bits  # (B, h, w)
        even = torch.ones_like(bits) * bits.mean(dim=(1, 2), keepdim=True)
        return replace(source, prior=replace(source.prior, token_bits=even))


def with_one_rate(system: LRISC) -> LRISC:
    """Give every token of an image the same number of symbols."""
    changed = OneRate(system.config, decoder=copy.deepcopy(system.decoder))
    changed.load_state_dict(system.state_dict())
    return changed.to(next(system.parameters()).device).eval()


def without_diffusion(system: LRISC) -> LRISC:
    """Show the image that g_s makes of y_hat, which the diffusion decoder starts from.

    Raises:
        UnavailableError: the model's decoder starts from no such image.
    """
    changed = copy.deepcopy(system)
    if not isinstance(changed.decoder, DiffusionDecoder) or changed.decoder.base is None:
        raise UnavailableError("the image decoder starts from no synthesis transform")
    changed.decoder = SynthesisDecoder(changed.decoder.base)
    return changed
