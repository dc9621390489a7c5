"""Encode and decode one HEVC intra slice by libheif, without the container around it.

Of a HEIF file only the `mdat` payload is sent, the slice behind its 4-byte length. The rest of the
file depends only on the size of the image and the options of the encoder, so a receiver can
reconstruct it.
"""

import io
import math
import struct
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lrisc_system.data.padding import crop_to_size

CODING_TREE = 64  # pixels a side of HEVC's largest block; x265 takes no smaller image as it is
COARSEST_QP = 50
AQ_STRENGTH = 0.1
IP_RATIO = 1.4  # x265's default: an intra frame is coded 6 log2(1.4) steps finer than its CRF


class Chroma(Enum):
    """How finely HEVC samples colour; the value is pillow-heif's name for it."""

    YUV420 = "420"
    YUV444 = "444"


@dataclass(frozen=True)
class HEVCConfig:
    """Options of x265 besides those that `encode_slice` lists.

    Measured on 12 crops of training photos, 256 x 256, at 2.6 and 7.3 kB each, at equal bytes:
    4:4:4 without psychovisual optimisation has 0.4 and 0.9 dB more than the default below, and
    LPIPS-alex higher by 0.011 and 0.004. So `HEVC_420` is the one to beat in LPIPS and `HEVC_444`
    the one to beat in PSNR.

    Args:
        chroma: sampling of colour.
        psychovisual: x265's `psy-rd` and `psy-rdoq`, 0 to 5: keeps texture at the cost of PSNR.
    """

    chroma: Chroma = Chroma.YUV420
    psychovisual: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.psychovisual <= 5.0:
            raise ValueError(f"expected psychovisual in 0..5, got {self.psychovisual}")


HEVC_420 = HEVCConfig()
HEVC_444 = HEVCConfig(chroma=Chroma.YUV444, psychovisual=0.0)


def encode_slice(image: Tensor, *, qp: float, config: HEVCConfig) -> bytes:
    """Encode an image with a quantiser that changes continuously.

    x265 at libheif's preset `slow`, `tune=psnr`, one intra frame, CRF `ceil(qp)`. The fraction of
    `qp` goes into `ipratio`, which shifts the QP of an intra frame by `6 log2(ipratio)`. A frame
    has whole QPs, so that a shift alone would do nothing below one step (12% of the bytes).
    Adaptive quantisation (`aq-mode=1`) of strength 0.1 adds a small offset to each block by its
    activity. Around a whole step, blocks then change from one QP to the next one after another
    and not all at once. Measured on Kodak, this costs at most 0.04 dB at equal bytes.

    Args:
        image: (1, 3, H, W) in [0, 1].
        qp: 0 (finest) to 50 (coarsest).
        config: other options of the encoder.

    Raises:
        ImportError: the extra `separation` is not installed.
        ValueError: the quantiser is out of range.
    """
    if not 0 <= qp <= COARSEST_QP:
        raise ValueError(f"expected a quantiser in 0..{COARSEST_QP}, got {qp}")
    return _encode(_pad_to_block(image), qp=qp, config=config)[1]


def decode_slice(payload: bytes, *, size: tuple[int, int], config: HEVCConfig) -> Tensor:
    """Decode a payload to an image (1, 3, H, W) in [0, 1].

    Args:
        payload: of `encode_slice`.
        size: height and width of the image.
        config: options of the encoder.

    Raises:
        ImportError: the extra `separation` is not installed.
        ValueError: the payload cannot be decoded.
    """
    padded = (max(size[0], CODING_TREE), max(size[1], CODING_TREE))
    file = bytearray(_head(padded, config) + payload)
    _set_payload_length(file, len(payload))
    heif = _pillow_heif()
    try:
        pixels = np.array(heif.read_heif(bytes(file)).to_pillow().convert("RGB"))
    # libheif, its wrapper and Pillow each raise errors of their own for damaged data.
    except Exception as error:
        message = " ".join(str(error).split())
        raise ValueError(f"damaged HEVC payload of {len(payload)} bytes ({message})") from error
    if pixels.shape[:2] != padded:
        raise ValueError(f"expected a payload of {padded} pixels, got {pixels.shape[:2]}")
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0
    return crop_to_size(image, size)


def _pad_to_block(image: Tensor) -> Tensor:
    """Repeat the last row and column up to one coding tree block."""
    height, width = image.shape[-2:]
    padding = (0, max(0, CODING_TREE - width), 0, max(0, CODING_TREE - height))
    return F.pad(image, padding, mode="replicate")


@lru_cache(maxsize=32)
def _head(size: tuple[int, int], config: HEVCConfig) -> bytes:
    """The file up to its payload, from a black image of the same size."""
    return _encode(torch.zeros(1, 3, *size), qp=COARSEST_QP, config=config)[0]


def _set_payload_length(file: bytearray, length: int) -> None:
    """Write a payload's length where HEIF wants it: at the end of `iloc`, and before `mdat`."""
    box = file.index(b"iloc") - 4
    end = box + int.from_bytes(file[box : box + 4], "big")
    file[end - 4 : end] = struct.pack(">I", length)
    box = file.index(b"mdat", end) - 4
    file[box : box + 4] = struct.pack(">I", length + 8)


def _encode(image: Tensor, *, qp: float, config: HEVCConfig) -> tuple[bytes, bytes]:
    """Encode an image of at least one coding tree block: file up to the payload, payload."""
    pixels = (image[0].clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).permute(1, 2, 0)
    height, width = pixels.shape[:2]
    picture = _pillow_heif().from_bytes("RGB", (width, height), pixels.cpu().numpy().tobytes())
    buffer = io.BytesIO()
    coarse_qp = math.ceil(qp)
    picture.save(
        buffer,
        quality=100 - 2 * coarse_qp,
        chroma=config.chroma.value,
        enc_params={
            "tune": "psnr",
            "x265:psy-rd": str(config.psychovisual),
            "x265:psy-rdoq": str(config.psychovisual),
            "x265:ipratio": str(IP_RATIO * 2 ** ((coarse_qp - qp) / 6)),
            "x265:aq-mode": "1",
            "x265:aq-strength": str(AQ_STRENGTH),
            "x265:wpp": "0",  # no entry points: they cost bytes
            "x265:pools": "none",  # one thread
        },
    )
    data = buffer.getvalue()
    start = data.index(b"mdat", data.index(b"iloc")) + 4
    return data[:start], data[start:]


def _pillow_heif() -> ModuleType:
    try:
        import pillow_heif
    except ImportError as error:
        raise ImportError(
            "HEVC coding needs pillow-heif: pip install 'lrisc-system[separation]'"
        ) from error
    return pillow_heif
