"""Find a frame in a recording and undo the link: delay, carrier offset, gain, phase.

recording -> coarse start and offset by correlation with the preamble -> both refined
          -> frame cut out, shifted back in frequency and by the fraction of a sample
          -> offset refined over all pilots -> gain and phase followed along the frame -> symbols

The link is taken to be flat over the band and its delay constant over the frame.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lrisc_system.radio.detection import MAX_CARRIER_OFFSET, SyncError, find_preamble
from lrisc_system.radio.estimation import (
    GUARD,
    cut_frame,
    refine_start,
    residual_offset,
    track_gain,
)
from lrisc_system.radio.framing import PREAMBLE_LENGTH, frame_layout
from lrisc_system.radio.waveforms import fractional_delay, shift_frequency


@dataclass(frozen=True, eq=False)
class ReceivedFrame:
    """A frame's symbols, and what the link had done to them.

    Attributes:
        symbols: `(K,)` complex64, gain, phase, offset and delay undone.
        snr_db: measured on preamble and pilots.
        start: where the frame began, in samples from the start of the recording.
        carrier_offset: in cycles per sample.
        gain: mean amplitude of the link.
    """

    symbols: Tensor = field(repr=False)
    snr_db: float
    start: float
    carrier_offset: float
    gain: float


def receive_frame(
    recording: Tensor, *, symbols: int, max_carrier_offset: float = MAX_CARRIER_OFFSET
) -> ReceivedFrame:
    """Find and equalise the strongest frame of a recording.

    Args:
        recording: `(n,)` complex, one sample per symbol.
        symbols: K, how many symbols the frame carries.
        max_carrier_offset: largest offset to look for, in cycles per sample.

    Raises:
        SyncError: if there is no preamble, or the frame is cut off.
        ValueError: if the recording is not a row of finite complex numbers.
    """
    if recording.ndim != 1 or not recording.is_complex():
        got = f"{tuple(recording.shape)} {recording.dtype}"
        raise ValueError(f"expected a recording (n,) of complex samples, got {got}")
    if not torch.isfinite(torch.view_as_real(recording)).all():
        raise ValueError("expected a recording of finite samples, got NaN or infinity")
    if symbols > len(recording):
        raise SyncError(f"expected at least {symbols} samples, got {len(recording)}")
    layout = frame_layout(symbols)
    start, offset = find_preamble(recording, max_carrier_offset=max_carrier_offset)
    missing = start + layout.length - len(recording)
    if missing > 0:
        raise SyncError(f"the recording ends {missing} samples before the frame does")

    fraction, offset = refine_start(cut_frame(recording, start, PREAMBLE_LENGTH), offset)
    samples = shift_frequency(cut_frame(recording, start, layout.length), -offset)
    samples = fractional_delay(samples, -fraction)[GUARD : GUARD + layout.length]
    residual = residual_offset(samples, layout)
    samples = shift_frequency(samples, -residual)

    gain, averaged = track_gain(samples, layout)
    equalised = samples / gain
    error = (equalised - layout.known)[layout.is_known].abs().square()
    # The average over m known samples fits their noise too and leaves 1 - 1/m of it.
    noise_power = error.sum() / (1 - 1 / averaged[layout.is_known]).sum()
    return ReceivedFrame(
        symbols=equalised[~layout.is_known].to(torch.complex64),
        snr_db=-10 * math.log10(max(float(noise_power), 1e-30)),
        start=start + fraction,
        carrier_offset=offset + residual,
        gain=float(gain.abs().mean()),
    )
