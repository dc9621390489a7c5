"""SNR-adaptive feature modulation for joint source-channel coding."""

from snr_modulation.adapter import SNRAdapter
from snr_modulation.import_swinjscc import SwinJSCCAdapters, SwinJSCCVariant, load_swinjscc
from snr_modulation.link_check import CheckConfig, CheckReport, check
from snr_modulation.modulation import SNRModulation
from snr_modulation.report import format_report, plot_report
from snr_modulation.synthetic import synthetic_images

__all__ = [
    "CheckConfig",
    "CheckReport",
    "SNRAdapter",
    "SNRModulation",
    "SwinJSCCAdapters",
    "SwinJSCCVariant",
    "check",
    "format_report",
    "load_swinjscc",
    "plot_report",
    "synthetic_images",
]
