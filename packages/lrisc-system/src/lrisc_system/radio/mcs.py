"""Modulation and coding schemes (MCS): bytes in, noisy symbols across, bytes out."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Generator

from jscc_ratetoken import Channel
from lrisc_system.radio.code_blocks import (
    BlockPlan,
    ReceivedBytes,
    decode_bytes,
    encode_bytes,
    plan_blocks,
)
from lrisc_system.radio.ldpc import wifi_code, wifi_decoder
from lrisc_system.radio.ldpc_matrices import BASE_MATRICES
from lrisc_system.radio.qam import Modulation
from lrisc_system.radio.soft_channel import observe


@dataclass(frozen=True)
class MCS:
    """A modulation and coding scheme: a modulation with a code rate of 802.11n.

    Attributes:
        modulation: of the symbols.
        rate: information bits per coded bit.
    """

    modulation: Modulation
    rate: Fraction

    def __str__(self) -> str:
        return f"{self.modulation.value.name} {self.rate}"

    @property
    def efficiency(self) -> Fraction:
        """Information bits per symbol."""
        return self.modulation.value.bits_per_symbol * self.rate

    def plan(self, symbols: int) -> BlockPlan | None:
        """Lay out blocks over so many symbols, or nothing when not a byte fits."""
        room = symbols * self.modulation.value.bits_per_symbol
        return plan_blocks(wifi_code(self.rate), room=room)

    def symbols(self, plan: BlockPlan) -> int:
        """Symbols that a plan takes."""
        code, bits_per_symbol = wifi_code(self.rate), self.modulation.value.bits_per_symbol
        return -(-plan.blocks * plan.sent(code) // bits_per_symbol)

    def send(
        self,
        message: bytes,
        channel: Channel,
        snr_db: float,
        *,
        plan: BlockPlan,
        generator: Generator | None = None,
    ) -> ReceivedBytes:
        """Code and modulate bytes, send them, and decode what arrives.

        Args:
            message: at most `plan.message_bytes()`.
            channel: any channel; see `observe` for what the receiver knows of it.
            snr_db: mean SNR in dB.
            plan: layout of the blocks.
            generator: of fading and noise.

        Raises:
            ImportError: the extra `separation` is not installed.
        """
        constellation = self.modulation.value
        coded = encode_bytes(message, plan=plan, code=wifi_code(self.rate))  # (M,)
        padding = -len(coded) % constellation.bits_per_symbol
        symbols = constellation.modulate(torch.from_numpy(np.pad(coded, (0, padding))))  # (K,)
        seen = observe(channel, symbols, snr_db, generator=generator)
        llr = constellation.soft_bits(seen.symbols, seen.noise_power)[: len(coded)]
        return decode_bytes(llr.numpy(), plan=plan, decoder=wifi_decoder(self.rate))


MCS_TABLE = tuple(MCS(modulation, rate) for modulation in Modulation for rate in BASE_MATRICES)
