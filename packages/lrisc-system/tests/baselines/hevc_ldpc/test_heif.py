import sys
from itertools import pairwise

import pytest
import torch

from lrisc_system.baselines.hevc_ldpc.heif import (
    HEVC_420,
    HEVC_444,
    HEVCConfig,
    decode_slice,
    encode_slice,
)
from lrisc_system.metrics.quality import psnr

SIZES = [(1, 1), (17, 300), (64, 64), (65, 67), (130, 97)]


def smooth_image(height, width):
    """Colours that change over 32 pixels."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, height // 32 + 2, width // 32 + 2, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")


@pytest.mark.parametrize("config", [HEVC_420, HEVC_444])
@pytest.mark.parametrize("size", SIZES)
def test_a_receiver_decodes_the_payload_from_size_and_options_alone(size, config):
    image = smooth_image(*size)
    decoded = decode_slice(encode_slice(image, qp=4, config=config), size=size, config=config)
    assert decoded.shape == image.shape
    assert psnr(image, decoded) > 36


def test_the_payload_is_one_slice_behind_its_length():
    payload = encode_slice(smooth_image(64, 64), qp=30, config=HEVC_420)
    assert int.from_bytes(payload[:4], "big") == len(payload) - 4
    assert payload[4] >> 1 & 63 in (19, 20)  # NAL unit type: an instantaneous refresh picture


def test_coarser_is_smaller_and_worse():
    image = smooth_image(96, 96)
    payloads = [encode_slice(image, qp=qp, config=HEVC_420) for qp in (10, 25, 40)]
    images = [decode_slice(p, size=(96, 96), config=HEVC_420) for p in payloads]
    assert len(payloads[0]) > len(payloads[1]) > len(payloads[2])
    assert psnr(image, images[0]) > psnr(image, images[1]) > psnr(image, images[2])


def test_fractions_of_a_quantiser_lie_between_whole_ones():
    """Without adaptive quantisation, all fractions would give one of the two whole sizes."""
    generator = torch.Generator().manual_seed(0)
    image = smooth_image(192, 256) + 0.02 * torch.randn(1, 1, 192, 256, generator=generator)
    sizes = [len(encode_slice(image, qp=27 + k / 32, config=HEVC_420)) for k in range(33)]
    assert len(set(sizes)) >= 8
    assert all(fine >= 0.99 * coarse for fine, coarse in pairwise(sizes))
    assert max(fine - coarse for fine, coarse in pairwise(sizes)) < 0.4 * (sizes[0] - sizes[-1])


def test_full_colour_keeps_colour_edges():
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[:, 0, :, ::2], stripes[:, 2, :, 1::2] = 1, 1  # red and blue columns
    figures = [
        psnr(stripes, decode_slice(encode_slice(stripes, qp=10, config=c), size=(64, 64), config=c))
        for c in (HEVC_420, HEVC_444)
    ]
    assert figures[0] < 15 < 30 < figures[1]


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"expected a quantiser in 0..50, got 51"):
        encode_slice(smooth_image(64, 64), qp=51, config=HEVC_420)
    with pytest.raises(ValueError, match=r"damaged HEVC payload of 9 bytes"):
        decode_slice(b"\0\0\0\5hello", size=(64, 64), config=HEVC_420)
    with pytest.raises(ValueError, match=r"expected psychovisual in 0..5, got -1"):
        HEVCConfig(psychovisual=-1)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImportError, match=r"pip install 'lrisc-system\[separation\]'"):
        encode_slice(smooth_image(64, 64), qp=20, config=HEVC_420)
