"""SNR-adaptive feature modulation for joint source-channel coding."""

from snr_modulation.adapter import SNRAdapter
from snr_modulation.import_swinjscc import SwinJSCCAdapters, SwinJSCCVariant, load_swinjscc
from snr_modulation.modulation import SNRModulation

__all__ = [
    "SNRAdapter",
    "SNRModulation",
    "SwinJSCCAdapters",
    "SwinJSCCVariant",
    "load_swinjscc",
]
