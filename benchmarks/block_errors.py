"""Measure at which SNR the code blocks of side information and header are lost once in a thousand.

For every modulation, code rate and code length, and blocks shortened to all and to 30% of their
information bits, the SNR is raised in steps of 0.1 dB until at most 12 of 20,000 blocks are lost
(every MCS at 648 bits, and the header) or 1 of 5,000 (the other lengths). Either bounds the rate of
lost blocks by one in a thousand with 95% confidence. QPSK is measured for BPSK too: each of its
axes is a BPSK of half the power and half the noise. The result is the table by which a transmitter
chooses:

    python benchmarks/block_errors.py packages/lrisc-system/src/lrisc_system/radio/block_errors.csv

It takes about half an hour on one core. Rows that the file holds already are not measured again.
"""

import csv
import math
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from lrisc_system.radio.belief_propagation import LARGEST_LLR, wifi_decoder
from lrisc_system.radio.header import HEADER_BITS, HEADER_FORMATS
from lrisc_system.radio.ldpc_matrices import CODE_LENGTHS, CODE_RATES
from lrisc_system.radio.qam import Modulation

MANY = (20_000, 12)  # blocks, and how many of them may be lost
FEW = (5_000, 1)
ROUGHLY = (50, 1)
STEP_DB = 0.1
FALL_DB = 1.0  # the next block is at most so much nearer to the limit
BATCH = 250
SHORTENED = (1.0, 0.3)  # information bits that are left, as a fraction
COLUMNS = (
    *("modulation", "rate", "length", "information", "repeats"),
    *("bits_per_symbol", "snr_db", "blocks", "lost", "shannon_db"),
)


@dataclass(frozen=True)
class Block:
    """One kind of block.

    Args:
        modulation: of its symbols.
        rate: of the code.
        length: of the code in bits.
        information: bits that are not shortened.
        repeats: how many times each symbol is sent.
        trials: blocks to send, and how many of them may be lost.
    """

    modulation: Modulation
    rate: Fraction
    length: int
    information: int
    repeats: int = 1
    trials: tuple[int, int] = MANY

    @property
    def key(self) -> tuple[str, ...]:
        """What identifies its row of the table."""
        numbers = (self.rate, self.length, self.information, self.repeats)
        return (self.modulation.value.name, *map(str, numbers))

    @property
    def sent(self) -> int:
        """Coded bits that are sent, each once or more often."""
        return self.repeats * (self.information + self.length - int(self.length * self.rate))

    @property
    def efficiency(self) -> float:
        """Information bits per symbol."""
        return self.information / self.sent * self.modulation.value.bits_per_symbol

    @property
    def shannon_db(self) -> float:
        """Least SNR of any code of this efficiency, in dB."""
        return 10 * math.log10(2**self.efficiency - 1)


def lost_blocks(block: Block, snr_db: float, *, most: int, blocks: int) -> tuple[int, int, int]:
    """Send random blocks over AWGN until enough are sent or too many lost.

    Returns:
        Blocks sent, blocks lost or wrong, and wrong information bits.
    """
    decoder = wifi_decoder(block.rate, length=block.length)
    code, constellation = decoder.code, block.modulation.value
    noise_power = 10 ** (-snr_db / 10)
    random = np.random.default_rng([block.length, int(snr_db * 10) + 1000, block.information])
    is_sent = np.ones(code.length, dtype=bool)
    is_sent[block.information : code.dimension] = False
    sent, lost, bits, batch = 0, 0, 0, min(BATCH, blocks)
    while sent < blocks and lost <= most:
        information = np.zeros((batch, code.dimension), dtype=np.uint8)
        information[:, : block.information] = random.integers(0, 2, (batch, block.information))
        coded = code.encode(information)[:, is_sent].reshape(-1)
        coded = np.pad(coded, (0, -len(coded) % constellation.bits_per_symbol))
        symbols = constellation.modulate(torch.from_numpy(coded)).numpy()
        llr = np.zeros(len(coded))
        for _ in range(block.repeats):
            noise = random.normal(size=(2, len(symbols))) * math.sqrt(noise_power / 2)
            seen = torch.from_numpy(symbols + noise[0] + 1j * noise[1])
            llr += constellation.soft_bits(seen, torch.tensor(noise_power)).numpy()
        full = np.zeros((batch, code.length))
        full[:, block.information : code.dimension] = LARGEST_LLR
        full[:, is_sent] = llr[: batch * int(is_sent.sum())].reshape(batch, -1)
        decoded = decoder.decode(full)
        differs = decoded.information != information
        wrong = differs.any(axis=1) | ~decoded.converged
        sent, lost, bits = sent + batch, lost + int(wrong.sum()), bits + int(differs.sum())
    return sent, lost, bits


def threshold(block: Block, *, gap_db: float) -> tuple[float, int, int]:
    """Find the least SNR on the grid at which few enough blocks are lost: SNR, blocks, lost.

    Args:
        block: to measure.
        gap_db: where to begin, above Shannon's limit.
    """
    step = math.ceil((block.shannon_db + gap_db) / STEP_DB)
    for blocks, most in (ROUGHLY, block.trials):
        while True:
            sent, lost, _ = lost_blocks(block, step * STEP_DB, most=most, blocks=blocks)
            if lost <= most:
                break
            step += 1
    return round(step * STEP_DB, 1), sent, lost


def kinds() -> list[Block]:
    """List the blocks to measure."""
    headers = [
        Block(header.modulation, header.rate, 648, HEADER_BITS, header.repeats)
        for header in HEADER_FORMATS
    ]
    modulations = (Modulation.QAM16, Modulation.QAM64, Modulation.QPSK)
    sides = [
        Block(
            modulation,
            rate,
            length,
            math.ceil(part * length * rate),
            trials=MANY if part == 1 and length == CODE_LENGTHS[0] else FEW,
        )
        for length in reversed(CODE_LENGTHS)
        for part in SHORTENED
        for modulation in modulations
        for rate in CODE_RATES
    ]
    return headers + sides


def main(path: Path) -> None:
    """Measure what the table lacks, and append it row by row."""
    known = list(csv.DictReader(path.open())) if path.exists() else []
    done = {tuple(row[name] for name in COLUMNS[:5]): row for row in known}
    gaps: dict[tuple[str, ...], float] = {}  # of the last block of a modulation and a rate
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not known:
            writer.writerow(COLUMNS)
        for block in kinds():
            row = done.get(block.key)
            if row is None:
                gap_db = gaps.get(block.key[:2], 2.5) - FALL_DB
                found = threshold(block, gap_db=gap_db)
                limit = f"{block.shannon_db:.2f}"
                writer.writerow([*block.key, f"{block.efficiency:.4f}", *found, limit])
                file.flush()
                snr_db = found[0]
            else:
                snr_db = float(row["snr_db"])
            gaps[block.key[:2]] = snr_db - block.shannon_db


if __name__ == "__main__":
    main(Path(sys.argv[1]))
