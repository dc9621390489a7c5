"""The check, on links whose faults are known."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from snr_modulation import CheckConfig, check
from snr_modulation.link_check import LinkError, falls, psnr

GREY = 102 / 255  # 0.4, and a whole 8-bit level


@pytest.fixture
def images() -> Tensor:
    return torch.full((4, 3, 32, 32), GREY)


def awgn(images: Tensor, snr_db: Tensor | float) -> Tensor:
    """Uncoded pixels of amplitude 1/10: noise of power 10 ** (-snr_db / 10) / 100."""
    std = 0.1 * 10 ** (-torch.as_tensor(snr_db, dtype=torch.float32).reshape(-1, 1, 1, 1) / 20)
    return images + std * torch.randn_like(images)


def shrink(estimate_db: float) -> float:
    return 1 - 10 ** (-estimate_db / 10) / 10


def shrunk(images: Tensor, snr_db: Tensor) -> Tensor:
    return shrunk_mismatched(images, snr_db, snr_db)


def shrunk_mismatched(images: Tensor, snr_db: Tensor, estimate_db: Tensor) -> Tensor:
    return (1 - 10 ** (-estimate_db.reshape(-1, 1, 1, 1) / 10) / 10) * awgn(images, snr_db)


def test_psnr_by_hand() -> None:
    # 51 of 255 levels off: 20 log10(255 / 51) = 20 log10(5) = 13.9794 dB; a third of a level
    # off rounds to none, so 100 dB.
    image = torch.full((2, 3, 4, 4), GREY)
    off = image + torch.tensor([51 / 255, 0.33 / 255]).reshape(2, 1, 1, 1)
    torch.testing.assert_close(psnr(off, image), torch.tensor([13.9794, 100.0]))


def test_falls_by_hand() -> None:
    assert falls((20.0, 22.0, 21.5, 23.0, 19.0)) == (0.0, 0.0, 0.5, 0.0, 4.0)


def test_awgn_follows_the_snr(images: Tensor) -> None:
    # Noise power 10 ** (-snr_db / 10) / 100 on a flat image: PSNR = 20 + snr_db, less what the
    # 8-bit rounding adds, 1 / (12 * 255**2) = 1.28e-6 (0.01 dB at 13 dB, 0.05 dB at 16 dB).
    report = check(awgn, images, CheckConfig(snrs_db=(4, 7, 10, 13), repeats=2))
    for snr_db, value in zip((4, 7, 10, 13), report.psnr_db, strict=True):
        assert value == pytest.approx(20 + snr_db, abs=0.12)
    assert report.monotone
    assert report.independent
    assert report.passed


def test_falling_psnr_is_found(images: Tensor) -> None:
    # 51 levels off up to 10 dB, 85 above: 20 log10(5) - 20 log10(3) = 4.4370 dB lost.
    def falling(images: Tensor, snr_db: float) -> Tensor:
        return images + (51 if snr_db <= 10 else 85) / 255

    report = check(falling, images, CheckConfig(snrs_db=(7, 10, 13), per_sample_snr=False))
    assert report.fall_db == pytest.approx((0, 0, 20 * math.log10(5 / 3)), abs=1e-4)
    assert not report.monotone
    assert not report.passed


def test_a_small_fall_is_tolerated(images: Tensor) -> None:
    def falling(images: Tensor, snr_db: float) -> Tensor:
        return images + (51 if snr_db <= 10 else 52) / 255  # 0.169 dB

    config = CheckConfig(snrs_db=(7, 13), fall_tolerance_db=0.2, per_sample_snr=False)
    assert check(falling, images, config).monotone
    assert not check(falling, images, replace(config, fall_tolerance_db=0.05)).monotone


def test_batch_power_is_found(images: Tensor) -> None:
    def batch_power(images: Tensor, snr_db: float) -> Tensor:
        power = images.square().mean()
        return awgn(images / power.sqrt(), snr_db) * power.sqrt()

    def image_power(images: Tensor, snr_db: float) -> Tensor:
        power = images.square().mean(dim=(1, 2, 3), keepdim=True)
        return awgn(images / power.sqrt(), snr_db) * power.sqrt()

    assert check(batch_power, images).independent is False
    assert check(image_power, images).independent is True


@pytest.mark.parametrize("shift", [1, -1])
def test_leak_from_one_side_is_found(images: Tensor, shift: int) -> None:
    def leaking(images: Tensor, snr_db: float) -> Tensor:
        beside = torch.zeros_like(images)
        if shift > 0:
            beside[1:] = images[:-1]
        else:
            beside[:-1] = images[1:]
        return images + 0.01 * beside

    report = check(leaking, images)
    assert report.neighbour_change == pytest.approx(0.005, abs=1e-3)  # 0.01 of |rand - 0.5|
    assert report.independent is False


def test_leaking_snr_is_found(images: Tensor) -> None:
    def leaking(images: Tensor, snr_db: Tensor) -> Tensor:
        assert snr_db.shape == images.shape[:1]
        return images + 0.001 * snr_db.mean()

    report = check(leaking, images)
    # The neighbour's SNR goes from 1 to 19 dB, the mean of the two by 9.
    assert report.neighbour_change == pytest.approx(0.009, abs=1e-6)


def test_unrepeatable_link_gives_no_verdict(images: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)

    def unrepeatable(images: Tensor, snr_db: float) -> Tensor:
        return images + 0.01 * torch.randn(images.shape, generator=generator)

    report = check(unrepeatable, images, CheckConfig(fall_tolerance_db=0.5))
    assert report.neighbour_change is None
    assert report.independent is None
    assert report.passed


def test_wrong_estimate_in_closed_form(images: Tensor) -> None:
    # mse(e) = (x (1 - g(e)))**2 + g(e)**2 sigma**2 with x = 0.4, sigma**2 = 10**(-s/10) / 100.
    config = CheckConfig(estimate_snrs_db=(4, 10), offsets_db=(-6, 0, 3), repeats=2)
    report = check(shrunk, images, config)
    assert report.loss_db is not None
    for snr_db, row in zip((4, 10), report.loss_db, strict=True):
        sigma2 = 10 ** (-snr_db / 10) / 100

        def mse(e: float, sigma2: float = sigma2) -> float:
            return (GREY * (1 - shrink(e))) ** 2 + shrink(e) ** 2 * sigma2

        expected = [10 * math.log10(mse(snr_db + o) / mse(snr_db)) for o in (-6, 0, 3)]
        assert row == pytest.approx(expected, abs=0.15)
        assert row[1] == 0


def test_scaled_noise_equals_a_mismatched_link(images: Tensor) -> None:
    scaled = check(shrunk, images)
    explicit = check(shrunk, images, mismatched=shrunk_mismatched)
    assert scaled.loss_db is not None
    assert explicit.loss_db is not None
    for ours, theirs in zip(scaled.loss_db, explicit.loss_db, strict=True):
        assert ours == pytest.approx(theirs, abs=0.01)


def test_no_gaussian_noise_gives_no_loss(images: Tensor) -> None:
    def digital(images: Tensor, snr_db: float) -> Tensor:
        return images + 5 / 255

    assert check(digital, images).loss_db is None


def test_global_generator_is_left_as_it_was(images: Tensor) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check(awgn, images)
    assert torch.equal(torch.rand(3), expected)


def test_more_noise_realisations_average(images: Tensor) -> None:
    once = [check(awgn, images, CheckConfig(seed=seed)).psnr_db[0] for seed in (3, 4)]
    both = check(awgn, images, CheckConfig(seed=3, repeats=2)).psnr_db[0]
    assert both == pytest.approx(sum(once) / 2, abs=1e-5)
    assert all(a != b for a, b in pairwise([*once, both]))


def test_errors(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"two or more rising snrs_db, got \(4, 1\)"):
        CheckConfig(snrs_db=(4, 1))
    with pytest.raises(ValueError, match=r"rising snrs_db, got \(4,\)"):
        CheckConfig(snrs_db=(4,))
    with pytest.raises(ValueError, match="expected finite SNRs and offsets"):
        CheckConfig(offsets_db=(math.nan,))
    with pytest.raises(ValueError, match="repeats of at least 1, got 0"):
        CheckConfig(repeats=0)
    with pytest.raises(ValueError, match=r"expected images \(B, C, H, W\), got \(3, 4, 4\)"):
        check(awgn, torch.zeros(3, 4, 4))
    with pytest.raises(ValueError, match=r"images in \[0, 1\], got values in"):
        check(awgn, 255 * images)
    with pytest.raises(ValueError, match=r"to return \(4, 3, 32, 32\), got \(4, 3, 16, 32\)"):
        check(lambda images, snr_db: images[:, :, ::2], images)
    with pytest.raises(ValueError, match=r"finite pixels from the link, got NaN or inf at 1 dB"):
        check(lambda images, snr_db: images / 0, images)
    with pytest.raises(ValueError, match=r"to return \(4, 3, 32, 32\), got NoneType"):
        check(lambda images, snr_db: None, images)


def test_the_link_of_the_readme_takes_one_snr_per_sample(images: Tensor) -> None:
    given = []

    def link(images: Tensor, snr_db: Tensor) -> Tensor:
        given.append(snr_db)
        return images + 0.1 * 10 ** (-snr_db / 20).reshape(-1, 1, 1, 1) * torch.randn_like(images)

    assert check(link, images).passed
    assert {tuple(snr_db.shape) for snr_db in given} == {(4,), (2,)}


def test_an_error_in_a_link_is_the_links(images: Tensor) -> None:
    def broken(images: Tensor, snr_db: Tensor) -> Tensor:
        return images @ snr_db.reshape(2, 9)

    place = rf"\(at .*test_link_check\.py:{broken.__code__.co_firstlineno + 1}\)"
    given = r"called with images \(4, 3, 32, 32\) and snr_db \(4,\)"
    with pytest.raises(LinkError, match=f"the link raised RuntimeError: .* {place}, {given}"):
        check(broken, images)
