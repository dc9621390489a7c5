"""Images drawn with the spectrum of photos."""

import torch

from snr_modulation import synthetic_images


def test_range_size_and_seed() -> None:
    images = synthetic_images(3, size=33)
    assert images.shape == (3, 3, 33, 33)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std() > 0.1
    assert torch.equal(images, synthetic_images(3, size=33))
    assert not torch.equal(images, synthetic_images(3, size=33, seed=1))


def test_amplitude_falls_as_one_over_frequency() -> None:
    # 1/f amplitude is 1/f**2 power: from frequency 2 to 8, 20 log10(4) = 12.04 dB.
    images = synthetic_images(64, size=64)
    power = torch.fft.rfft2(images).abs().square().mean(dim=(0, 1))[0]  # (W/2 + 1,), rows' DC
    ratio_db = 10 * torch.log10(power[2] / power[8])
    assert abs(ratio_db - 12.04) < 1.5
