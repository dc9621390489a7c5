"""The system where the components meet: `LRISC.send`, a channel, `LRISC.receive`.

image -> signal chain up to the symbols -> Packet -> channel -> Packet
      -> JSCC decoder -> image decoder (8)-(11) -> image
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Generator, Tensor

from entropy_hyperprior import LatentPrior
from jscc_ratetoken import (
    Channel,
    active_mask,
    allocate_rate,
    dequantize_gain,
    quantize_gain,
    to_complex,
    to_real,
)
from lrisc_system.config import STRIDE, LRISCConfig
from lrisc_system.data.padding import pad_to_stride
from lrisc_system.decoders import ImageDecoder, decode_image
from lrisc_system.link import check_snr_db, cross_channel
from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.packets.rate_control import rates_within
from lrisc_system.packets.rate_map import decode_rates, encode_rates
from lrisc_system.parts import AnalysisPart, HyperpriorPart, JSCCDecoderPart, JSCCEncoderPart
from lrisc_system.stored_chain import StoredChain
from roi_saliency import BarrierDetector, SaliencyDetector


class LRISC(StoredChain):
    """Transmit images with ROI, rate and SNR awareness, and decode them by diffusion.

    Every part can be replaced by a module of your own; `lrisc_system.parts` lists the methods that
    a part must have or may have. The other parts are built from the config.

    Args:
        config: widths, rates and other numbers of the model; see `lrisc_system.preset`.
        g_a: image (B, 3, H, W) in [0, 1] -> latent (B, C, H/16, W/16).
        hyperprior: the entropy model of the latent, with real bytes, Eq. (5).
        jscc_encoder: latent and rates -> real numbers to send (B, N, v_max), Eq. (7).
        jscc_decoder: received numbers -> latent.
        decoder: the image decoder; the conditional diffusion decoder around g_s by default.
        detector: image (B, 3, H, W) -> saliency (B, 1, H, W) in [0, 1]; a classical detector
            without weights by default.
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
        detector: SaliencyDetector | None = None,
    ) -> None:
        super().__init__(
            config,
            g_a=g_a,
            hyperprior=hyperprior,
            jscc_encoder=jscc_encoder,
            jscc_decoder=jscc_decoder,
            decoder=decoder,
        )
        self.detector: SaliencyDetector = BarrierDetector() if detector is None else detector

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
        channel_uses: Callable[[Packet], int] | None = None,
    ) -> Packet:
        """Encode one image into a packet for a channel of `snr_db`.

        Args:
            image: (1, 3, H, W) in [0, 1], any size.
            snr_db: SNR of the channel in dB, as the transmitter knows it.
            eta: real numbers per bit, Eq. (6); the config's by default.
            cbr: instead of `eta`, the largest CBR of the packet, side information included.
            alpha: weight of the background in [0, 1], Eq. (3); the config's by default. 1 switches
                the ROI off.
            saliency: saliency map (1, 1, H, W) in [0, 1]; the detector's by default.
            channel_uses: what a packet costs of `cbr`, its symbols included; by default that of
                side information at capacity, `Packet.channel_uses`.

        Raises:
            ValueError: if an argument is out of range, or `cbr` is too small for the side
                information alone.
        """
        self._require_eval()
        levels = self.config.codec.levels
        snr = check_snr_db(snr_db).to(image.device)
        if image.ndim != 4 or image.shape[:2] != (1, 3):
            raise ValueError(f"expected one image (1, 3, H, W), got {tuple(image.shape)}")
        if eta is not None and cbr is not None:
            raise ValueError("expected eta or cbr, got both")
        for name, number in (("eta", eta), ("cbr", cbr)):
            if number is not None and not 0 < number < math.inf:
                raise ValueError(f"expected {name} above 0, got {number:g}")
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
                source.prior.token_bits,
                draft,
                cbr=cbr,
                levels=levels,
                channel_uses=channel_uses or partial(Packet.channel_uses, snr_db=snr_db),
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
        """Decode a received packet into an image, from the packet and the SNR alone.

        Args:
            packet: packet with the received symbols. One without z is decoded with the prior of
                the likeliest z, if the hyperprior offers `likeliest_prior`.
            snr_db: SNR of the channel in dB, as the receiver estimates it.
            generator: generator of the image decoder's initial noise.
            steps: sampling steps of the image decoder, if it takes them; its own number by default.

        Returns:
            (1, 3, H, W) in [0, 1].

        Raises:
            PacketError: if the packet was made by another model or contradicts itself.
            ValueError: if `steps` is given and the image decoder takes none, or the SNR is out of
                range.
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
        prior = self._prior_of(packet, grid)
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
        return decode_image(
            self.decoder, y_hat, image_size=packet.image_size, generator=generator, steps=steps
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
        """Send, cross the channel (AWGN by default) and receive.

        The arguments are those of `send` and `receive`.

        Returns:
            The received image (1, 3, H, W) in [0, 1], and the packet as it was sent.
        """
        packet = self.send(image, snr_db, eta=eta, cbr=cbr, alpha=alpha, saliency=saliency)
        received = cross_channel(packet, snr_db, channel=channel, generator=generator)
        return self.receive(received, snr_db, generator=generator, steps=steps), packet

    def fingerprint(self) -> bytes:
        """Return four bytes that identify the weights which sender and receiver must share."""
        checksum = 0
        for part in ("hyperprior", "jscc_encoder", "jscc_decoder"):
            for tensor in self.get_submodule(part).state_dict().values():
                data = tensor.detach().cpu().reshape(-1).view(torch.uint8)  # of any precision
                checksum = zlib.crc32(data.numpy().tobytes(), checksum)
        return checksum.to_bytes(4, "big")

    def _prior_of(self, packet: Packet, grid: tuple[int, int]) -> LatentPrior:
        """Rebuild the prior of the latent (1, C, *grid) from z, or without it."""
        if packet.z_stream is not None:
            return self.hyperprior.decompress([packet.z_stream], latent_size=grid)
        if not hasattr(self.hyperprior, "likeliest_prior"):
            raise PacketError("the packet lost its z, and this hyperprior needs it")
        prior: LatentPrior = self.hyperprior.likeliest_prior(latent_size=grid)
        return prior

    def _require_eval(self) -> None:
        if self.training:
            raise RuntimeError("expected a model in evaluation mode: call .eval() first")
