"""What the system is compared with."""

from lrisc_system.baselines.deepjscc.model import DeepJSCC, DeepJSCCConfig
from lrisc_system.baselines.hevc_ldpc.heif import HEVC_420, HEVC_444, Chroma, HEVCConfig
from lrisc_system.baselines.hevc_ldpc.hevc import HEVCImage
from lrisc_system.baselines.hevc_ldpc.link import Reception, SeparationLink, ideal_link
from lrisc_system.baselines.linear.analog import AnalogSignal
from lrisc_system.baselines.linear.link import LinearLink, fit_linear_link
from lrisc_system.capacity import awgn_capacity, rayleigh_capacity
from lrisc_system.radio.mcs import MCS, MCS_TABLE

__all__ = [
    "HEVC_420",
    "HEVC_444",
    "MCS",
    "MCS_TABLE",
    "AnalogSignal",
    "Chroma",
    "DeepJSCC",
    "DeepJSCCConfig",
    "HEVCConfig",
    "HEVCImage",
    "LinearLink",
    "Reception",
    "SeparationLink",
    "awgn_capacity",
    "fit_linear_link",
    "ideal_link",
    "rayleigh_capacity",
]
