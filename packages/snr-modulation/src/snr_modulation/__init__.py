"""SNR-adaptive feature modulation for joint source-channel coding."""

from snr_modulation.adapter import SNRAdapter
from snr_modulation.modulation import SNRModulation

__all__ = ["SNRAdapter", "SNRModulation"]
