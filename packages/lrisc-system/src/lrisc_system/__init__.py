"""Image transmission over noisy links: ROI, rate, SNR adaptation and a diffusion decoder.

Every name is imported when it is first used, so that the command line need not wait for torch.
"""

from typing import TYPE_CHECKING

from lrisc_system.lazy import lazy_names

if TYPE_CHECKING:
    from lrisc_system.config import PRESETS, LRISCConfig, preset
    from lrisc_system.data.images import ImageError, load_image, load_mask, save_image
    from lrisc_system.decoders import ImageDecoder, SynthesisDecoder, TrainingEstimate
    from lrisc_system.link import Arrival, Link, OutOfReachError, cross_channel, expected_cbr
    from lrisc_system.losses import background_distortion, rate_distortion, roi_distortion
    from lrisc_system.lrisc_link import LRISCLink
    from lrisc_system.packets.packet import Packet, PacketError, read_packet, write_packet
    from lrisc_system.storage.checkpoint import load_model, save_model
    from lrisc_system.storage.model_soup import average_models
    from lrisc_system.storage.shipped import SHIPPED
    from lrisc_system.storage.tensors import CheckpointError
    from lrisc_system.system import LRISC

__all__ = [
    "LRISC",
    "PRESETS",
    "SHIPPED",
    "Arrival",
    "CheckpointError",
    "ImageDecoder",
    "ImageError",
    "LRISCConfig",
    "LRISCLink",
    "Link",
    "OutOfReachError",
    "Packet",
    "PacketError",
    "SynthesisDecoder",
    "TrainingEstimate",
    "average_models",
    "background_distortion",
    "cross_channel",
    "expected_cbr",
    "load_image",
    "load_mask",
    "load_model",
    "preset",
    "rate_distortion",
    "read_packet",
    "roi_distortion",
    "save_image",
    "save_model",
    "write_packet",
]

__getattr__ = lazy_names(
    __name__,
    {
        "lrisc_system.config": ("PRESETS", "LRISCConfig", "preset"),
        "lrisc_system.data.images": ("ImageError", "load_image", "load_mask", "save_image"),
        "lrisc_system.decoders": ("ImageDecoder", "SynthesisDecoder", "TrainingEstimate"),
        "lrisc_system.link": (
            "Arrival",
            "Link",
            "OutOfReachError",
            "cross_channel",
            "expected_cbr",
        ),
        "lrisc_system.losses": ("background_distortion", "rate_distortion", "roi_distortion"),
        "lrisc_system.lrisc_link": ("LRISCLink",),
        "lrisc_system.packets.packet": ("Packet", "PacketError", "read_packet", "write_packet"),
        "lrisc_system.storage.checkpoint": ("load_model", "save_model"),
        "lrisc_system.storage.model_soup": ("average_models",),
        "lrisc_system.storage.shipped": ("SHIPPED",),
        "lrisc_system.storage.tensors": ("CheckpointError",),
        "lrisc_system.system": ("LRISC",),
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
