"""Find the preamble in a recording: where it begins, and the carrier offset, both coarsely."""

import math

import torch
from torch import Tensor

from lrisc_system.radio.framing import PREAMBLE_LENGTH, preamble
from lrisc_system.radio.waveforms import shift_frequency

MAX_CARRIER_OFFSET = 0.005  # cycles per sample: 5 kHz at 1 MS/s
DETECTION_THRESHOLD = 0.3  # of the correlation; noise alone reaches 0.25 in a million samples
_BLOCK = 4096


class SyncError(ValueError):
    """No frame in the recording, or not all of it; the message is one line."""


def find_preamble(
    recording: Tensor, *, max_carrier_offset: float = MAX_CARRIER_OFFSET
) -> tuple[int, float]:
    """Find the strongest preamble by normalised correlation.

    The recording is correlated with preambles shifted by offsets half a cycle per preamble apart.

    Args:
        recording: `(n,)` complex.
        max_carrier_offset: in cycles per sample.

    Returns:
        The start in samples, and the carrier offset in cycles per sample to a quarter of a cycle
        per preamble.

    Raises:
        SyncError: if the correlation stays below DETECTION_THRESHOLD everywhere.
    """
    if len(recording) < PREAMBLE_LENGTH:
        raise SyncError(f"expected at least {PREAMBLE_LENGTH} samples, got {len(recording)}")
    steps = math.ceil(2 * PREAMBLE_LENGTH * max_carrier_offset)
    offsets = torch.arange(-steps, steps + 1) / (2 * PREAMBLE_LENGTH)  # (F,)
    templates = torch.stack([shift_frequency(preamble(), float(offset)) for offset in offsets])
    spectra = torch.fft.fft(templates, n=_BLOCK).conj()  # (F, _BLOCK)
    weakest = 1e-12 * float(recording.abs().square().max())  # where there is only silence

    best, best_start, best_offset = 0.0, 0, 0.0
    hop = _BLOCK - PREAMBLE_LENGTH + 1
    for first in range(0, len(recording) - PREAMBLE_LENGTH + 1, hop):
        block = recording[first : first + _BLOCK].to(torch.complex128)
        starts = len(block) - PREAMBLE_LENGTH + 1
        correlation = torch.fft.ifft(torch.fft.fft(block, n=_BLOCK) * spectra)[:, :starts]
        energy = block.abs().square().unfold(0, PREAMBLE_LENGTH, 1).sum(dim=1)  # (starts,)
        power = correlation.abs().square() / (
            PREAMBLE_LENGTH * energy.clamp(min=max(PREAMBLE_LENGTH * weakest, 1e-300))
        )
        if float(power.max()) > best:
            row, column = divmod(int(power.argmax()), starts)
            best, best_start = float(power.max()), first + column
            best_offset = float(offsets[row])
    if best < DETECTION_THRESHOLD**2:
        raise SyncError(
            f"no preamble found: expected a correlation of at least {DETECTION_THRESHOLD}, "
            f"the strongest is {math.sqrt(best):.2f}"
        )
    return best_start, best_offset
