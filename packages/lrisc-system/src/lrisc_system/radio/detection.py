"""Find a preamble in a recording: where it begins, and the carrier offset, both coarsely.

The correlations with the up chirp and with the down chirp are taken half a symbol apart. A carrier
offset of `f` cycles per symbol moves the peak of the up chirp `125 f` symbols earlier and that of
the down chirp as many later: two correlations find every offset. A frame must show in both.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lrisc_system.radio.framing import CHIRP_LENGTH, PREAMBLE_LENGTH, preamble
from lrisc_system.radio.resampling import cut, fractional_delay

MAX_CARRIER_OFFSET = 0.1  # cycles per symbol
# Of the product of both correlation coefficients. For one pair of lags in white noise it exceeds t
# with probability of about 2 sqrt(z) K_1(2 sqrt(z)), sqrt(z) = 125 t: 3e-16 at 0.15. About a
# hundred pairs belong to each sample, so that noise passes for a frame once in some 1e13 samples.
DETECTION_THRESHOLD = 0.15
_BLOCK = 16384
_LEAD = 32  # symbols of silence before the recording, for peaks moved there
_NEAR = 128  # half symbols within which the strongest peak is that of the same frame


class SyncError(ValueError):
    """No frame in the recording, or not all of it; the message is one line."""


@dataclass(frozen=True)
class Detection:
    """A preamble that was found.

    Attributes:
        start: in symbols, to half of one.
        carrier_offset: in cycles per symbol, to 0.01.
        correlation: root of the product of both correlation coefficients, in 0..1.
    """

    start: float
    carrier_offset: float
    correlation: float


def find_preamble(
    symbols: Tensor,
    *,
    first: int = 0,
    max_carrier_offset: float = MAX_CARRIER_OFFSET,
    threshold: float = DETECTION_THRESHOLD,
) -> Detection:
    """Find the first preamble at or after a position.

    Args:
        symbols: `(n,)` complex, one sample per symbol.
        first: where to begin, in samples.
        max_carrier_offset: the largest to look for, in cycles per symbol, at most 0.1.
        threshold: in 0..1.

    Raises:
        SyncError: if there is none.
    """
    if len(symbols) - first < PREAMBLE_LENGTH:
        raise SyncError(
            f"no frame found: expected at least {PREAMBLE_LENGTH} samples, "
            f"got {max(len(symbols) - first, 0)}"
        )
    largest_shift = math.ceil(2 * CHIRP_LENGTH * max_carrier_offset)
    spectra = _template_spectra()
    floor = 1e-10 * float(symbols.abs().max()) ** 2  # rounding errors next to strong signals
    strongest = 0.0
    hop = _BLOCK - PREAMBLE_LENGTH - 2 * _LEAD - _NEAR
    for begin in range(first - _LEAD, len(symbols) - PREAMBLE_LENGTH + 1, hop):
        block = cut(symbols, begin, _BLOCK).to(torch.complex64)
        up, down = _correlations(block, spectra, floor)
        product, starts, shifts = _pairs(up, down, threshold, largest_shift)
        if not len(product):
            continue
        strongest = max(strongest, float(product.max()))
        # From the start that was asked for, which may be a little late, to where the next block is.
        after = (starts >= 2 * (first - 1 - begin)) & (starts < 2 * hop + 2 * _LEAD)
        found = (product >= threshold) & after
        if not found.any():
            continue
        near = (starts - starts[found].min()).abs() <= _NEAR
        best = int(torch.where(near, product, product.new_zeros(())).argmax())
        return Detection(
            start=begin + float(starts[best]) / 2,
            carrier_offset=float(shifts[best]) / (2 * CHIRP_LENGTH),
            correlation=float(product[best]),
        )
    raise SyncError(
        f"no frame found: expected a correlation with the preamble of at least {threshold}, "
        f"the strongest is {strongest:.2f}"
    )


def _template_spectra() -> Tensor:
    """Conjugate spectra of up and down chirp, each at delays 0 and 1/2, `(4, _BLOCK)`."""
    templates = torch.zeros(4, _BLOCK, dtype=torch.complex128)
    up, down = preamble().split(CHIRP_LENGTH)
    for row, template in ((0, up), (2, down)):
        templates[row, :CHIRP_LENGTH] = template
        padded = torch.nn.functional.pad(template, (_LEAD, _LEAD + 1))
        half = fractional_delay(padded, 0.5)[_LEAD : _LEAD + CHIRP_LENGTH]
        templates[row + 1, :CHIRP_LENGTH] = half * math.sqrt(
            CHIRP_LENGTH / float(half.abs().square().sum())
        )
    return torch.fft.fft(templates).conj().to(torch.complex64)


def _correlations(block: Tensor, spectra: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """Squared correlation coefficients with up and down chirp at starts half a symbol apart."""
    starts = _BLOCK - CHIRP_LENGTH + 1
    correlation = torch.fft.ifft(torch.fft.fft(block) * spectra)[:, :starts]  # (4, starts)
    energy = block.abs().square().double().cumsum(0)
    energy = torch.nn.functional.pad(energy, (1, 0)).unfold(0, CHIRP_LENGTH + 1, 1)
    window = (energy[:, -1] - energy[:, 0]).clamp(min=max(CHIRP_LENGTH * floor, 1e-30))
    power = correlation.abs().square() / (CHIRP_LENGTH * window.float())
    up, down = power.view(2, 2, starts).transpose(1, 2).reshape(2, -1)  # half symbols in order
    return up, down


def _pairs(
    up: Tensor, down: Tensor, threshold: float, largest_shift: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Pair peaks of both chirps: product of coefficients, start and shift in half symbols."""
    gate = threshold**2  # the other one is at most 1
    peaks = (up > 2 * gate).nonzero()[:, 0]
    shifts = torch.arange(-largest_shift, largest_shift + 1)
    partners = peaks[:, None] + 2 * shifts + 2 * CHIRP_LENGTH  # (peaks, shifts)
    inside = (partners >= 0) & (partners < len(down))
    product = (up[peaks, None] * down[partners.clamp(0, len(down) - 1)] * inside).sqrt()
    starts = peaks[:, None] + shifts
    return product.flatten(), starts.flatten(), shifts.expand_as(starts).flatten()
