"""The differentiable signal chain: from the image to the latent that the receiver decodes.

image -> M (1)-(2) -> W (3) -> g_a -> y_w (4) -> hyperprior (5) -> rates (6) -> JSCC encoder (7)
      -> power -> channel -> JSCC decoder -> y_hat
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor, nn

from cond_diffusion import DiffusionDecoder
from entropy_hyperprior import AnalysisTransform, Hyperprior, HyperpriorOutput, SynthesisTransform
from jscc_ratetoken import (
    Channel,
    JSCCDecoder,
    JSCCEncoder,
    active_mask,
    allocate_rate,
    normalize_power,
    to_complex,
    to_real,
)
from lrisc_system.config import LRISCConfig
from lrisc_system.decoders import ImageDecoder
from lrisc_system.link import expected_cbr
from lrisc_system.parts import AnalysisPart, HyperpriorPart, JSCCDecoderPart, JSCCEncoderPart
from roi_saliency import SmoothMask, pool_mask, scale_mask, weight_latent
from snr_modulation import SNRAdapter

STRIDE = 16


@dataclass(frozen=True)
class Source:
    """An image as the transmitter sees it, before any rate is chosen."""

    mask: Tensor  # M, (B, 1, H, W)
    y: Tensor  # weighted latent y_w, (B, C, h, w)
    prior: HyperpriorOutput


@dataclass(frozen=True)
class Transmission:
    """What the receiver's image decoder gets, and what it cost."""

    source: Source
    y_hat: Tensor  # (B, C, h, w)
    rate_index: Tensor  # (B, h, w)
    rate: Tensor  # expected CBR, (B,), with gradients


class SignalChain(nn.Module):
    """The trained parts of LRISC, and the pass through them that gradients flow back on.

    Args: as `lrisc_system.LRISC` takes them.
    """

    def __init__(
        self,
        config: LRISCConfig,
        *,
        g_a: AnalysisPart | None = None,
        hyperprior: HyperpriorPart | None = None,
        jscc_encoder: JSCCEncoderPart | None = None,
        jscc_decoder: JSCCDecoderPart | None = None,
        decoder: ImageDecoder | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.smooth_mask = SmoothMask()
        self.g_a: AnalysisPart = AnalysisTransform(config.transform) if g_a is None else g_a
        self.hyperprior: HyperpriorPart = (
            Hyperprior(config.hyperprior) if hyperprior is None else hyperprior
        )
        self.jscc_encoder: JSCCEncoderPart = (
            JSCCEncoder(config.codec, snr_adapter=make_adapter(config))
            if jscc_encoder is None
            else jscc_encoder
        )
        self.jscc_decoder: JSCCDecoderPart = (
            JSCCDecoder(config.codec, snr_adapter=make_adapter(config))
            if jscc_decoder is None
            else jscc_decoder
        )
        self.decoder: ImageDecoder = (
            DiffusionDecoder(config.diffusion, base=SynthesisTransform(config.transform))
            if decoder is None
            else decoder
        )

    def encode(
        self,
        image: Tensor,
        saliency: Tensor,
        *,
        alpha: float | Tensor | None = None,
        generator: Generator | None = None,
    ) -> Source:
        """Analyse an image and weigh its latent by the ROI, Eqs. (1)-(5).

        Args:
            image: (B, 3, H, W) in [0, 1], H and W multiples of 16.
            saliency: S, (B, 1, H, W) in [0, 1].
            alpha: background weight of Eq. (3), one or (B,); the config's by default.
            generator: of the noise that stands for rounding while training.
        """
        alpha = self.config.alpha if alpha is None else alpha
        mask = self.smooth_mask(saliency)  # (B, 1, H, W)
        weights = scale_mask(pool_mask(mask, stride=STRIDE), alpha=alpha)  # (B, 1, h, w)
        y = self.g_a(image)  # (B, 3, H, W) -> (B, C, h, w)
        y = weight_latent(y, weights, protected=self.config.protected)
        return Source(mask=mask, y=y, prior=self.hyperprior(y, generator=generator))

    def forward(
        self,
        image: Tensor,
        saliency: Tensor,
        snr_db: Tensor,
        eta: Tensor,
        *,
        channel: Channel,
        alpha: Tensor | None = None,
        generator: Generator | None = None,
    ) -> Transmission:
        """Send a batch through the channel up to y_hat, differentiably.

        Args:
            image: (B, 3, H, W) in [0, 1], H and W multiples of 16.
            saliency: S, (B, 1, H, W) in [0, 1].
            snr_db: (B,).
            eta: of Eq. (6), (B,).
            channel: (symbols, snr_db, *, generator) -> symbols.
            alpha: background weight of Eq. (3), (B,); the config's by default.
            generator: of the channel's noise and of the rounding noise.
        """
        source = self.encode(image, saliency, alpha=alpha, generator=generator)
        levels = self.config.codec.levels
        rate_index = allocate_rate(source.prior.token_bits.detach(), eta=eta, levels=levels)
        symbols, gain = self._modulate(source, rate_index, snr_db)
        received = to_real(channel(to_complex(symbols), snr_db, generator=generator))
        y_hat = self.jscc_decoder(
            received * active_mask(rate_index, levels=levels),
            rate_index,
            snr_db,
            gain=gain,
            mean=source.prior.mean,
            scale=source.prior.scale,
        )
        rate = expected_cbr(source.prior, eta=eta, snr_db=snr_db, pixels=image[0, 0].numel())
        return Transmission(source=source, y_hat=y_hat, rate_index=rate_index, rate=rate)

    def _modulate(
        self, source: Source, rate_index: Tensor, snr_db: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Map the latent to real symbols of unit power, Eq. (7): (B, N, v_max) and gain (B,)."""
        symbols = self.jscc_encoder(
            source.y, rate_index, snr_db, mean=source.prior.mean, scale=source.prior.scale
        )
        return normalize_power(symbols, active_mask(rate_index, levels=self.config.codec.levels))


def make_adapter(config: LRISCConfig) -> SNRAdapter:
    """Build the SNR adaptive module of Sec. III-A.3, which starts as the identity."""
    return SNRAdapter(config.transform.latent_channels, hidden=config.adapter_hidden, identity=True)
