"""The system where the components meet: `LRISC.send`, a channel, `LRISC.receive`.

image -> M (1)-(2) -> W (3) -> g_a -> y_w (4) -> hyperprior (5) -> rates (6) -> JSCC encoder (7)
      -> power -> Packet -> channel -> Packet -> JSCC decoder -> image decoder (8)-(11) -> image
"""

from __future__ import annotations

import copy
import math
import zlib
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor, nn

from cond_diffusion import DiffusionDecoder
from entropy_hyperprior import AnalysisTransform, Hyperprior, HyperpriorOutput, SynthesisTransform
from jscc_ratetoken import (
    Channel,
    JSCCDecoder,
    JSCCEncoder,
    active_mask,
    allocate_rate,
    dequantize_gain,
    normalize_power,
    quantize_gain,
    to_complex,
    to_real,
)
from lrisc_system.config import STRIDE, LRISCConfig, preset
from lrisc_system.data.padding import pad_to_stride
from lrisc_system.decoders import ImageDecoder
from lrisc_system.link import check_snr_db, cross_channel, expected_cbr
from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.packets.rate_control import rates_within
from lrisc_system.packets.rate_map import decode_rates, encode_rates
from lrisc_system.storage.pretrained import HubModel
from roi_saliency import (
    BarrierDetector,
    SaliencyDetector,
    SmoothMask,
    pool_mask,
    scale_mask,
    weight_latent,
)
from snr_modulation import SNRAdapter


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


class LRISC(nn.Module, HubModel):
    """Transmit images with ROI, rate and SNR awareness, and redraw them by diffusion.

    Args:
        config: the model's numbers; see `lrisc_system.preset`.
        detector: image (B, 3, H, W) -> saliency (B, 1, H, W) in [0, 1]; a classical detector
            without weights by default.
        decoder: the image decoder; the conditional diffusion decoder around g_s by default.
    """

    def __init__(
        self,
        config: LRISCConfig,
        *,
        detector: SaliencyDetector | None = None,
        decoder: ImageDecoder | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.detector = BarrierDetector() if detector is None else detector
        self.smooth_mask = SmoothMask()
        self.g_a = AnalysisTransform(config.transform)
        self.hyperprior = Hyperprior(config.hyperprior)
        self.jscc_encoder = JSCCEncoder(config.codec, snr_adapter=self._adapter())
        self.jscc_decoder = JSCCDecoder(config.codec, snr_adapter=self._adapter())
        self.decoder = (
            DiffusionDecoder(config.diffusion, base=SynthesisTransform(config.transform))
            if decoder is None
            else decoder
        )

    def _adapter(self) -> SNRAdapter:
        config = self.config
        return SNRAdapter(
            config.transform.latent_channels, hidden=config.adapter_hidden, identity=True
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

    @torch.no_grad()
    def send(
        self,
        image: Tensor,
        snr_db: float,
        *,
        eta: float | None = None,
        cbr: float | None = None,
        alpha: float | None = None,
        saliency: Tensor | None = None,
    ) -> Packet:
        """Turn one image into a packet for a channel of `snr_db`.

        Args:
            image: (1, 3, H, W) in [0, 1], any size.
            snr_db: the channel's SNR that the transmitter was told.
            eta: real numbers per bit, Eq. (6); the config's by default.
            cbr: instead of `eta`, the bandwidth not to exceed, side information included.
            alpha: background weight, Eq. (3); the config's by default, 1 switches the ROI off.
            saliency: (1, 1, H, W) in [0, 1]; the detector's by default.

        Raises:
            ValueError: if an argument is out of range, or `cbr` cannot pay for the side
                information alone.
        """
        self._require_eval()
        levels = self.config.codec.levels
        snr = check_snr_db(snr_db).to(image.device)
        if image.ndim != 4 or image.shape[:2] != (1, 3):
            raise ValueError(f"expected one image (1, 3, H, W), got {tuple(image.shape)}")
        if eta is not None and cbr is not None:
            raise ValueError("expected eta or cbr, got both")
        saliency = self.detector(image) if saliency is None else saliency
        source = self.encode(
            pad_to_stride(image, stride=STRIDE), pad_to_stride(saliency, stride=STRIDE), alpha=alpha
        )
        draft = Packet(
            symbols=torch.zeros(0, dtype=torch.complex64),
            rate_stream=b"",
            z_stream=self.hyperprior.compress(source.y)[0],
            gain_code=0,
            image_size=(image.shape[-2], image.shape[-1]),
            fingerprint=self.fingerprint(),
        )
        if cbr is None:
            eta = self.config.eta if eta is None else eta
            rate_index = allocate_rate(source.prior.token_bits, eta=eta, levels=levels)
        else:
            rate_index = rates_within(
                source.prior.token_bits, draft, cbr=cbr, snr_db=snr_db, levels=levels
            )
        symbols, gain = self._modulate(source, rate_index, snr)
        gain_code, _ = quantize_gain(gain)
        active = active_mask(rate_index, levels=levels)
        return replace(
            draft,
            symbols=to_complex(symbols[active]).cpu(),
            rate_stream=encode_rates(rate_index[0], levels=len(levels)),
            gain_code=int(gain_code),
        )

    @torch.no_grad()
    def receive(
        self,
        packet: Packet,
        snr_db: float,
        *,
        generator: Generator | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """Turn a received packet into an image, from the packet and the SNR alone.

        Args:
            packet: with the symbols that the channel gave.
            snr_db: the receiver's estimate of the channel's SNR.
            generator: of the decoder's starting noise.
            steps: diffusion steps; the config's by default.

        Returns:
            (1, 3, H, W) in [0, 1].

        Raises:
            PacketError: if the packet was made by another model or contradicts itself.
        """
        self._require_eval()
        device = next(self.parameters()).device
        snr = check_snr_db(snr_db).to(device)
        if packet.fingerprint != self.fingerprint():
            raise PacketError(
                "the packet was made by another model: expected fingerprint "
                f"{self.fingerprint().hex()}, got {packet.fingerprint.hex()}"
            )
        height, width = packet.image_size
        grid = (math.ceil(height / STRIDE), math.ceil(width / STRIDE))
        levels = self.config.codec.levels
        rate_index = decode_rates(packet.rate_stream, size=grid, levels=len(levels))[None]
        rate_index = rate_index.to(device)  # (1, h, w)
        prior = self.hyperprior.decompress([packet.z_stream], latent_size=grid)
        active = active_mask(rate_index, levels=levels)
        if 2 * packet.symbols.numel() != int(active.sum()):
            raise PacketError(
                f"expected {int(active.sum()) // 2} symbols, got {packet.symbols.numel()}"
            )
        received = torch.zeros(active.shape, device=device)
        received[active] = to_real(packet.symbols.to(device))  # (K,) -> (1, N, v_max)
        y_hat = self.jscc_decoder(
            received,
            rate_index,
            snr,
            gain=dequantize_gain(torch.tensor([packet.gain_code], device=device)),
            mean=prior.mean,
            scale=prior.scale,
        )
        return self.decoder.decode(
            y_hat, image_size=packet.image_size, generator=generator, steps=steps
        )

    def transmit(
        self,
        image: Tensor,
        snr_db: float,
        *,
        channel: Channel | None = None,
        generator: Generator | None = None,
        steps: int | None = None,
        eta: float | None = None,
        cbr: float | None = None,
        alpha: float | None = None,
        saliency: Tensor | None = None,
    ) -> tuple[Tensor, Packet]:
        """Send, cross the channel (AWGN by default), receive: the image and the packet as sent."""
        packet = self.send(image, snr_db, eta=eta, cbr=cbr, alpha=alpha, saliency=saliency)
        received = cross_channel(packet, snr_db, channel=channel, generator=generator)
        return self.receive(received, snr_db, generator=generator, steps=steps), packet

    def fingerprint(self) -> bytes:
        """Identify, in four bytes, the weights that sender and receiver must share."""
        checksum = 0
        for part in (self.hyperprior, self.jscc_encoder, self.jscc_decoder):
            for tensor in part.state_dict().values():
                data = tensor.detach().cpu().contiguous().numpy()
                checksum = zlib.crc32(data.tobytes(), checksum)
        return checksum.to_bytes(4, "big")

    def _require_eval(self) -> None:
        if self.training:
            raise RuntimeError("expected a model in evaluation mode: call .eval() first")

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
    ) -> LRISC:
        """Build a model, its weights untrained.

        Args:
            text: what `config_json` wrote.
            expected_preset: refuse the config of any other preset.
            detector: as for the constructor.
            decoder: as for the constructor.

        Raises:
            ValueError: if the text is not a config of LRISC, or of another preset.
        """
        try:
            config = LRISCConfig.from_json(text)
        except ValueError as error:
            raise ValueError(f"not a config of LRISC: {error}") from error
        if expected_preset is not None and config != preset(expected_preset):
            raise ValueError(f"not a checkpoint of the preset {expected_preset!r}")
        return cls(config, detector=detector, decoder=decoder)

    def stored_tensors(self, *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """List the tensors to store, with coding tables made anew and parameters in `dtype`.

        The prior of z keeps its precision, for its coding tables are made from it.
        """
        hyperprior = copy.deepcopy(self.hyperprior)
        hyperprior.update()
        renewed = {f"hyperprior.{name}": part for name, part in hyperprior.state_dict().items()}
        rounded = {
            name
            for name, _ in self.named_parameters()
            if not name.startswith("hyperprior.bottleneck.")
        }
        return {
            name: tensor.to(dtype) if name in rounded else tensor
            for name, tensor in (self.state_dict() | renewed).items()
        }
