"""Modulation and coding schemes (MCS): bytes in, noisy symbols across, bytes out."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Generator, Tensor

from jscc_ratetoken import Channel
from lrisc_system.radio.belief_propagation import wifi_decoder
from lrisc_system.radio.code_blocks import (
    BlockPlan,
    ReceivedBytes,
    decode_bytes,
    encode_bytes,
    plan_blocks,
)
from lrisc_system.radio.ldpc import wifi_code
from lrisc_system.radio.ldpc_matrices import CODE_RATES
from lrisc_system.radio.qam import Modulation
from lrisc_system.radio.soft_channel import Observation, observe


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
        code = wifi_code(self.rate, length=plan.length)
        return -(-plan.blocks * plan.sent(code) // self.modulation.value.bits_per_symbol)

    def encode(self, message: bytes, *, plan: BlockPlan) -> Tensor:
        """Code and modulate bytes.

        Args:
            message: at most `plan.message_bytes()`.
            plan: layout of the blocks.

        Returns:
            Symbols of unit mean power, (K,) complex64.
        """
        constellation = self.modulation.value
        code = wifi_code(self.rate, length=plan.length)
        coded = encode_bytes(message, plan=plan, code=code)  # (M,)
        padding = -len(coded) % constellation.bits_per_symbol
        return constellation.modulate(torch.from_numpy(np.pad(coded, (0, padding))))

    def decode(self, seen: Observation, *, plan: BlockPlan) -> ReceivedBytes:
        """Decode what arrived of the symbols of `encode`."""
        decoder = wifi_decoder(self.rate, length=plan.length)
        llr = self.modulation.value.soft_bits(seen.symbols, seen.noise_power)
        sent = plan.blocks * plan.sent(decoder.code)
        return decode_bytes(llr[:sent].numpy(), plan=plan, decoder=decoder)

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
        """
        symbols = self.encode(message, plan=plan)
        return self.decode(observe(channel, symbols, snr_db, generator=generator), plan=plan)


MCS_TABLE = tuple(MCS(modulation, rate) for modulation in Modulation for rate in CODE_RATES)
