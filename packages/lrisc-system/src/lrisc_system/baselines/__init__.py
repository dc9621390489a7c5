"""What the system is compared with."""

from lrisc_system.baselines.analog import AnalogSignal
from lrisc_system.baselines.capacity import awgn_capacity, rayleigh_capacity
from lrisc_system.baselines.deepjscc import DeepJSCC, DeepJSCCConfig
from lrisc_system.baselines.heif import HEVC_420, HEVC_444, Chroma, HEVCConfig
from lrisc_system.baselines.hevc import HEVCImage
from lrisc_system.baselines.linear import LinearLink, fit_linear_link
from lrisc_system.baselines.schemes import SCHEMES, Scheme
from lrisc_system.baselines.separation import Reception, SeparationLink, ideal_link

__all__ = [
    "HEVC_420",
    "HEVC_444",
    "SCHEMES",
    "AnalogSignal",
    "Chroma",
    "DeepJSCC",
    "DeepJSCCConfig",
    "HEVCConfig",
    "HEVCImage",
    "LinearLink",
    "Reception",
    "Scheme",
    "SeparationLink",
    "awgn_capacity",
    "fit_linear_link",
    "ideal_link",
    "rayleigh_capacity",
]
