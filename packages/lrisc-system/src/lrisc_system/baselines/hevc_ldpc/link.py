"""Separate source and channel coding: HEVC intra, LDPC, QAM over the same channel.

image -> HEVC payload -> blocks -> LDPC -> QAM -> channel -> soft bits -> LDPC -> payload -> image

The paper's baseline is BPG + LDPC. Both ends know the mean SNR and adapt modulation and code rate
to it. What the channel takes away stays away: the first lost block ends the payload, HEVC is
decoded up to there, and the result says that the image was not delivered.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from jscc_ratetoken import AWGN, Channel
from lrisc_system.baselines.hevc_ldpc.hevc import (
    GREY,
    Encoding,
    HEVCFormat,
    HEVCImage,
    complete_payload,
    conceal_hevc,
    decode_hevc,
)
from lrisc_system.capacity import awgn_capacity
from lrisc_system.radio.code_blocks import BlockPlan
from lrisc_system.radio.mcs import MCS, MCS_TABLE

# MCS and scale 1 byte, height 2, width 2; at capacity, as LRISC's side information.
HEADER_BITS = 8 * 5
TRIAL_SEED = 3_000_000_000  # far from the seeds that an evaluation counts through
TRIALS_ALL_LOST = 10  # after so many lost messages an MCS counts as unusable


@dataclass(frozen=True)
class Reception:
    """One image after a separation link.

    Attributes:
        image: what the receiver shows, (1, 3, H, W) in [0, 1].
        delivered: whether the whole payload arrived; else `image` is a part of it and flat colour.
        cbr: complex channel uses over 3 * H * W, header included.
        payload_bytes: length of the HEVC payload, 0 when none is small enough.
        scale: how many times smaller each side was coded to fit.
        mcs: modulation and code, absent for the ideal code and when nothing could be sent.
        blocks: LDPC blocks sent.
        lost_block: number of the first lost one, absent when none was.
    """

    image: Tensor
    delivered: bool
    cbr: float
    payload_bytes: int
    scale: int = 1
    mcs: MCS | None = None
    blocks: int = 0
    lost_block: int | None = None


class SeparationLink:
    """Send images by HEVC, LDPC and QAM, each with the MCS of the highest expected PSNR.

    The transmitter knows how often every MCS loses a message of this length at this SNR. It
    measures that by trials with random bits over the same kind of channel, once for each MCS,
    number of symbols and SNR, so images of one size and bandwidth share it. The expected PSNR is
    the mean of the PSNR with all blocks and that of a grey image, weighted with the probability of
    each. The transmitter does not know the fading or the noise of the message itself.

    Args:
        channel: any channel; see `observe` for what the receiver knows of it.
        mcs_table: modulations and code rates to choose from.
        trials: messages sent for each MCS, length and SNR; ten when those are all lost.

    Raises:
        ImportError: the extra `separation` is not installed.
    """

    def __init__(
        self,
        channel: Channel | None = None,
        *,
        mcs_table: tuple[MCS, ...] = MCS_TABLE,
        trials: int = 100,
    ) -> None:
        if not mcs_table or trials < 1:
            raise ValueError(f"expected MCSs and at least one trial, got {mcs_table} and {trials}")
        self.channel = AWGN() if channel is None else channel
        self.mcs_table = tuple(sorted(mcs_table, key=lambda s: s.efficiency, reverse=True))
        self.trials = trials
        self._losses: dict[tuple[MCS, int, float], float] = {}

    @torch.no_grad()
    def transmit(
        self,
        source: HEVCImage,
        snr_db: float,
        *,
        cbr: float,
        planned_snr_db: float | None = None,
        generator: Generator | None = None,
    ) -> Reception:
        """Send an image and decode what arrives.

        Args:
            source: the image.
            snr_db: mean SNR of the channel in dB, which the receiver knows.
            cbr: bandwidth not to exceed, header included.
            planned_snr_db: what the transmitter takes it for, the same by default; a channel
                worse than planned shows the cliff.
            generator: of fading and noise.
        """
        planned_snr_db = snr_db if planned_snr_db is None else planned_snr_db
        header = math.ceil(HEADER_BITS / awgn_capacity(planned_snr_db))
        symbols = _budget(source, cbr) - header
        choice = self._choose(source, symbols, planned_snr_db)
        if choice is None:
            return _nothing(source)
        mcs, plan, encoding = choice
        received = mcs.send(encoding.payload, self.channel, snr_db, plan=plan, generator=generator)
        image, delivered = _decode(received.data, encoding.format)
        return Reception(
            image=image,
            delivered=delivered,
            cbr=_cbr(source, header + mcs.symbols(plan)),
            payload_bytes=len(encoding.payload),
            scale=encoding.format.scale,
            mcs=mcs,
            blocks=plan.blocks,
            lost_block=received.lost_block,
        )

    def loss_probability(self, mcs: MCS, symbols: int, snr_db: float) -> float:
        """Measure how often a message over so many symbols loses a block, once.

        Returns:
            Fraction of the trials; 1 when the MCS has no room for a byte.
        """
        key = (mcs, symbols, snr_db)
        if key not in self._losses:
            self._losses[key] = self._measure_loss(mcs, symbols, snr_db)
        return self._losses[key]

    def _measure_loss(self, mcs: MCS, symbols: int, snr_db: float) -> float:
        plan = mcs.plan(symbols)
        if plan is None:
            return 1.0
        lost = 0
        for count in range(self.trials):
            if count == TRIALS_ALL_LOST == lost:
                return 1.0
            # The same fading for every MCS, so that chance does not rank them.
            generator = Generator().manual_seed(TRIAL_SEED + count)
            message = np.random.default_rng(count).bytes(plan.message_bytes())
            received = mcs.send(message, self.channel, snr_db, plan=plan, generator=generator)
            lost += received.lost_block is not None
        return lost / self.trials

    def _choose(
        self, source: HEVCImage, symbols: int, snr_db: float
    ) -> tuple[MCS, BlockPlan, Encoding] | None:
        """Find the MCS of highest expected PSNR.

        The fastest MCS comes first, so each next one carries fewer bytes. Its PSNR is at most that
        of the one before it, which spares the encodings of all that cannot win.
        """
        best: tuple[MCS, BlockPlan, Encoding] | None = None
        best_psnr, psnr_limit = source.grey_psnr, math.inf
        for mcs in self.mcs_table:
            plan = mcs.plan(symbols)
            if plan is None or psnr_limit <= best_psnr:
                continue
            loss = self.loss_probability(mcs, symbols, snr_db)
            if self._expected_psnr(source, psnr_limit, loss) <= best_psnr:
                continue
            encoding = source.fit(plan.message_bytes())
            if encoding is None:
                continue
            psnr_limit = encoding.psnr
            expected = self._expected_psnr(source, encoding.psnr, loss)
            if expected > best_psnr:
                best, best_psnr = (mcs, plan, encoding), expected
        return best

    @staticmethod
    def _expected_psnr(source: HEVCImage, psnr: float, loss: float) -> float:
        """Average the PSNR with all blocks, and that of a grey image where one is lost."""
        return source.grey_psnr if loss == 1 else (1 - loss) * psnr + loss * source.grey_psnr


def ideal_link(source: HEVCImage, *, cbr: float, capacity: float) -> Reception:
    """Send an image by HEVC and a code that reaches capacity without a loss: an upper bound.

    Args:
        source: the image.
        cbr: bandwidth, all of it for the payload.
        capacity: bits per complex channel use, `awgn_capacity(snr_db)` for one.
    """
    symbols = _budget(source, cbr)
    encoding = source.fit(int(symbols * capacity / 8))
    if encoding is None:
        return _nothing(source)
    return Reception(
        image=encoding.image,
        delivered=True,
        cbr=_cbr(source, symbols),
        payload_bytes=len(encoding.payload),
        scale=encoding.format.scale,
    )


def _decode(data: bytes, form: HEVCFormat) -> tuple[Tensor, bool]:
    """Decode received bytes; also return whether the whole payload was there."""
    payload = complete_payload(data)
    if payload is not None:
        try:
            return decode_hevc(payload, form), True
        except ValueError:
            pass  # a block decoded to another codeword, which the parity checks cannot see
    return conceal_hevc(data, form), False


def _nothing(source: HEVCImage) -> Reception:
    """No payload is small enough, so nothing is sent."""
    return Reception(torch.full_like(source.image, GREY), False, cbr=0.0, payload_bytes=0)


def _budget(source: HEVCImage, cbr: float) -> int:
    """Complex channel uses at a bandwidth ratio."""
    if not 0.0 < cbr <= 1.0:
        raise ValueError(f"expected cbr in (0, 1], got {cbr}")
    height, width = source.size
    return int(cbr * 3 * height * width + 1e-6)


def _cbr(source: HEVCImage, symbols: int) -> float:
    height, width = source.size
    return symbols / (3 * height * width)
