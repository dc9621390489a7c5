"""The SNR from which each kind of code block arrives, as measured, and the choice of codes by it.

`block_errors.csv` comes from `benchmarks/block_errors.py`: for each row, 20,000 or 5,000 blocks
over AWGN at `snr_db`, decoded by `LDPCDecoder`, of which at most 12 or 1 were lost.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from importlib.resources import files

import numpy as np

from lrisc_system.radio.header import HEADER_BITS, HEADER_FORMATS, HeaderFormat
from lrisc_system.radio.ldpc import wifi_code
from lrisc_system.radio.mcs import MCS
from lrisc_system.radio.qam import Modulation
from lrisc_system.radio.side_codes import SIDE_CODES, SideCode

TABLE = "block_errors.csv"
HEADER_MARGIN_DB = 2.0  # that a header arrives below the SNR which the transmitter was told
BPSK_GAIN_DB = 10 * math.log10(2)  # BPSK has the power of both axes of QPSK on one
_Key = tuple[str, str, int, int]  # modulation, rate, length, repeats


class UnreachableError(ValueError):
    """No code carries side information at an SNR; the message is one line."""


def threshold_db(code: SideCode, part_bytes: int) -> float:
    """SNR in dB from which the blocks of a part arrive.

    It is -inf for an empty part, and inf for a code that the table lacks.

    Between the measured numbers of information bits, the distance from Shannon's limit is
    interpolated. With fewer bits than measured, it is that of the fewest.
    """
    if not part_bytes:
        return -math.inf
    mcs, information = code.mcs, code.plan(part_bytes).information
    if mcs.modulation is Modulation.BPSK:
        qpsk = SideCode(MCS(Modulation.QPSK, mcs.rate), code.length)
        return threshold_db(qpsk, part_bytes) - BPSK_GAIN_DB
    measured = _table().get((mcs.modulation.value.name, str(mcs.rate), code.length, 1))
    if measured is None:
        return math.inf
    least = max(information, min(measured))
    bits = sorted(measured)
    gap = np.interp(least, bits, [measured[b] - _shannon_db(code, b) for b in bits])
    return _shannon_db(code, least) + float(gap)


def header_threshold_db(header_format: HeaderFormat) -> float:
    """SNR in dB from which headers arrive."""
    mcs, plan = header_format.mcs, header_format.plan
    key = (mcs.modulation.value.name, str(mcs.rate), plan.length, header_format.repeats)
    return _table()[key][HEADER_BITS]


def choose_side_code(part_bytes: int, *, snr_db: float) -> SideCode:
    """Choose the code in which a part takes the fewest symbols, of those that arrive at an SNR.

    Raises:
        UnreachableError: none does.
    """
    thresholds = {code: threshold_db(code, part_bytes) for code in SIDE_CODES}
    reachable = [code for code, threshold in thresholds.items() if threshold <= snr_db]
    if not reachable:
        raise UnreachableError(
            f"expected an SNR of at least {min(thresholds.values()):.1f} dB for coded side "
            f"information, got {snr_db:.1f} dB, the margin taken off"
        )
    return min(reachable, key=lambda code: (code.symbols(part_bytes), thresholds[code]))


def choose_header_format(snr_db: float) -> HeaderFormat:
    """Choose the shortest header that arrives 2 dB below an SNR, or else the most robust one."""
    for header_format in HEADER_FORMATS:
        if header_threshold_db(header_format) + HEADER_MARGIN_DB <= snr_db:
            return header_format
    return HEADER_FORMATS[-1]


def _shannon_db(code: SideCode, information: int) -> float:
    """Least SNR in dB of any code with as many information bits per symbol."""
    base = wifi_code(code.mcs.rate, length=code.length)
    sent = information + base.length - base.dimension
    efficiency = information / sent * code.mcs.modulation.value.bits_per_symbol
    return 10 * math.log10(2**efficiency - 1)


@cache
def _table() -> dict[_Key, dict[int, float]]:
    """Measured SNR in dB by kind of block and its information bits."""
    table: dict[_Key, dict[int, float]] = {}
    text = files("lrisc_system.radio").joinpath(TABLE).read_text()
    for row in csv.DictReader(text.splitlines()):
        key = (row["modulation"], row["rate"], int(row["length"]), int(row["repeats"]))
        table.setdefault(key, {})[int(row["information"])] = float(row["snr_db"])
    return table
