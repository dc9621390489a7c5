from itertools import pairwise

import numpy as np
import pytest
import torch

from lrisc_system.baselines.hevc_ldpc.heif import COARSEST_QP, HEVC_420, HEVC_444
from lrisc_system.baselines.hevc_ldpc.hevc import (
    HEVCFormat,
    HEVCImage,
    complete_payload,
    conceal_hevc,
    decode_hevc,
)
from lrisc_system.metrics.quality import psnr


@pytest.fixture(scope="module")
def source():
    """Coarse colours under fine grey noise, 192 x 256."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 13, 17, generator=generator)
    image = torch.nn.functional.interpolate(coarse, size=(192, 256), mode="bicubic")
    noise = torch.randn(1, 1, 192, 256, generator=generator)
    return HEVCImage((image + 0.02 * noise).clamp(0, 1))


@pytest.mark.parametrize("budget", [900, 1234, 2000, 3500, 8000])
@pytest.mark.parametrize("config", [HEVC_420, HEVC_444])
def test_fit_fills_its_budget(source, config, budget):
    fitted = HEVCImage(source.image, config=config).fit(budget)
    assert fitted.format.scale == 1
    assert 0.965 * budget <= len(fitted.payload) <= budget  # whole QPs leave up to 12%


def test_a_budget_costs_few_encodings_and_the_next_one_fewer(source):
    image = HEVCImage(source.image)
    image.fit(2000)
    first = len(image._encodings)
    assert first <= 1 + 6 + 7  # the coarsest, whole steps of 51, 128 steps in one of them
    image.fit(2400)
    assert len(image._encodings) <= first + 9


def test_a_budget_for_everything_gives_the_finest_quantiser(source):
    assert source.fit(10**6) is source.encoding(qp=0)


def test_more_bytes_are_never_worse(source):
    figures = [source.fit(budget).psnr for budget in (900, 1800, 3600, 7200, 14400)]
    assert all(a < b for a, b in pairwise(figures))


def test_what_does_not_fit_is_reduced_and_at_last_not_sent(source):
    smallest = {s: len(source.encoding(qp=COARSEST_QP, scale=s).payload) for s in (1, 2, 4)}
    assert smallest[1] > smallest[2] > smallest[4]
    for scale in (2, 4):
        encoding = source.fit(smallest[scale // 2] - 1)
        assert encoding.format == HEVCFormat((192, 256), scale)
        assert encoding.image.shape == source.image.shape
        assert encoding.psnr > source.grey_psnr + 3
    assert source.fit(smallest[4] - 1) is None


def test_encoding_tells_what_decoding_gives(source):
    encoding = source.encoding(qp=30)
    decoded = decode_hevc(encoding.payload, encoding.format)
    assert torch.equal(encoding.image, decoded)
    assert encoding.psnr == psnr(source.image, decoded).item()


def test_half_of_a_payload_shows_the_upper_blocks(source):
    encoding = source.encoding(qp=20)
    half = encoding.payload[: len(encoding.payload) // 2]
    shown = conceal_hevc(half, encoding.format)
    same = (shown == encoding.image).all(dim=1)[0]  # (H, W)
    assert same[:56].all()  # the first row of blocks but for the loop filters' reach
    assert not same[128:].any()
    lower = shown[0, :, 128:]
    assert torch.equal(lower, lower[:, :1, :1].expand_as(lower))  # flat
    assert source.grey_psnr < psnr(source.image, shown) < encoding.psnr


def test_concealment_gains_with_every_part_and_ends_at_the_image(source):
    encoding = source.encoding(qp=20)
    lengths = [int(part * len(encoding.payload)) for part in (0.2, 0.5, 0.8, 1.0)]
    shown = [conceal_hevc(encoding.payload[:n], encoding.format) for n in lengths]
    figures = [psnr(source.image, image).item() for image in shown]
    assert all(a < b for a, b in pairwise(figures))
    assert torch.equal(shown[-1], encoding.image)


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("beginning", [b"", b"\0\0", b"\0\0\1\0", b"\xff" * 40])
def test_nothing_known_is_grey(beginning, scale):
    shown = conceal_hevc(beginning, HEVCFormat((70, 90), scale))
    assert torch.equal(shown, torch.full((1, 3, 70, 90), 0.5))


def test_damage_never_crashes(source):
    payload = source.encoding(qp=30).payload
    random = np.random.default_rng(0)
    for _ in range(20):
        damaged = bytearray(payload)
        start = random.integers(4, len(payload) - 60)
        damaged[start : start + 60] = random.bytes(60)
        shown = conceal_hevc(bytes(damaged), HEVCFormat((192, 256)))
        assert shown.shape == source.image.shape
        assert torch.isfinite(shown).all()


def test_complete_payload_by_hand():
    assert complete_payload(b"\0\0\0\2abcd") == b"\0\0\0\2ab"
    assert complete_payload(b"\0\0\0\5abcd") is None
    assert complete_payload(b"\0\0") is None


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"expected an image \(1, 3, H, W\), got \(2, 3, 8, 8\)"):
        HEVCImage(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ValueError, match=r"a scale of \(1, 2, 4\), got \(8, 8\), 3"):
        HEVCFormat((8, 8), 3)


def test_options_reach_the_encoder(source):
    other = HEVCImage(source.image, config=HEVC_444).encoding(qp=20)
    assert other.format.config is HEVC_444
    assert other.payload != source.encoding(qp=20).payload
    assert source.config is HEVC_420
