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

from cond_diffusion import Callback, Sampler
from jscc_ratetoken import (
    Channel,
    active_mask,
    allocate_rate,
    dequantize_gain,
    quantize_gain,
    to_complex,
    to_real,
)
from lrisc_system.arguments import check_bandwidth, check_image, check_ready, check_saliency
from lrisc_system.config import STRIDE, LRISCConfig
from lrisc_system.data.padding import pad_to_stride
from lrisc_system.decoders import ImageDecoder, decode_image
from lrisc_system.link import check_snr_db, cross_channel
from lrisc_system.packet_contents import check_claims, decode_prior
from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.packets.rate_control import rates_within
from lrisc_system.packets.rate_map import decode_rates, encode_rates
from lrisc_system.parts import AnalysisPart, HyperpriorPart, JSCCDecoderPart, JSCCEncoderPart
from lrisc_system.realism import check_realism, decode_regions
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
            ValueError: if an argument is out of range, `cbr` is too small for the side
                information alone, or the model is not in float32.
        """
        check_ready(self)
        levels = self.config.codec.levels
        snr = check_snr_db(snr_db).to(image.device)
        snr_db = float(snr)
        check_image(image)
        check_bandwidth(eta=eta, cbr=cbr, alpha=alpha)
        saliency = self.detector(image) if saliency is None else saliency
        check_saliency(saliency, image)
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
        sampler: Sampler | None = None,
        callback: Callback | None = None,
        realism: float = 0.0,
        realism_roi: float | None = None,
    ) -> Tensor:
        """Decode a received packet into an image, from the packet and the SNR alone.

        Args:
            packet: packet with the received symbols. One without z is decoded with the prior of
                the likeliest z, if the hyperprior offers `likeliest_prior`.
            snr_db: SNR of the channel in dB, as the receiver estimates it.
            generator: generator of the image decoder's noise.
            steps: sampling steps of the image decoder, if it takes them; its own number by default.
            sampler: in place of the image decoder's own, if it takes one.
            callback: called as `(step, t, x_0)` after each of its predictions, if it takes one.
            realism: 0 for the most faithful image, 1 for the most natural one, whose detail is
                partly invented.
            realism_roi: in the region of interest instead, as the detector finds it in the image.

        Returns:
            (1, 3, H, W) in [0, 1].

        Raises:
            PacketError: if the packet was made by another model or contradicts itself.
            ValueError: if an option is given that the image decoder does not take, or the SNR is
                out of range.
        """
        check_ready(self)
        if steps is not None and steps < 1:
            raise ValueError(f"expected steps of at least 1, got {steps}")
        check_realism(realism, realism_roi)
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
        check_claims(packet, grid=grid, levels=levels, hyperprior=self.hyperprior)
        rate_index = decode_rates(packet.rate_stream, size=grid, levels=len(levels))[None]
        rate_index = rate_index.to(device)  # (1, h, w)
        active = active_mask(rate_index, levels=levels)
        if 2 * packet.symbols.numel() != int(active.sum()):
            raise PacketError(
                f"expected {int(active.sum()) // 2} symbols, got {packet.symbols.numel()}"
            )
        prior = decode_prior(packet, grid=grid, hyperprior=self.hyperprior)
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
        if not y_hat.isfinite().all():
            raise PacketError("damaged packet: it decodes to values that are not finite")
        image = decode_regions(
            lambda asked, noise: decode_image(
                self.decoder,
                y_hat,
                image_size=packet.image_size,
                generator=noise,
                steps=steps,
                sampler=sampler,
                callback=callback,
                realism=asked,
            ),
            realism=realism,
            realism_roi=realism_roi,
            find_roi=lambda image: self.smooth_mask(self.detector(image)),
            generator=generator,
        )
        if not image.isfinite().all():
            raise PacketError("damaged packet: it decodes to values that are not finite")
        return image

    def transmit(
        self,
        image: Tensor,
        snr_db: float,
        *,
        channel: Channel | None = None,
        generator: Generator | None = None,
        steps: int | None = None,
        sampler: Sampler | None = None,
        callback: Callback | None = None,
        realism: float = 0.0,
        realism_roi: float | None = None,
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
        image = self.receive(
            received,
            snr_db,
            generator=generator,
            steps=steps,
            sampler=sampler,
            callback=callback,
            realism=realism,
            realism_roi=realism_roi,
        )
        return image, packet

    def fingerprint(self) -> bytes:
        """Return four bytes that identify the weights which sender and receiver must share."""
        checksum = 0
        for part in ("hyperprior", "jscc_encoder", "jscc_decoder"):
            for tensor in self.get_submodule(part).state_dict().values():
                data = tensor.detach().cpu().reshape(-1).view(torch.uint8)  # of any precision
                checksum = zlib.crc32(data.numpy().tobytes(), checksum)
        return checksum.to_bytes(4, "big")
