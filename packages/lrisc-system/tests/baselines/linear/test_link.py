import math

import pytest
import torch

from entropy_hyperprior import PatchPCA
from jscc_ratetoken import Noiseless
from lrisc_system.baselines import AnalogSignal, LinearLink, fit_linear_link


@pytest.fixture(scope="module")
def photos():
    """Blurred noise: neighbouring pixels agree, as in photos."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(12, 3, 104, 104, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(noise, 9, stride=1)  # (12, 3, 96, 96)
    return ((smooth - 0.5) * 6 + 0.5).clamp(0, 1).split(1)


@pytest.fixture(scope="module")
def link(photos):
    return fit_linear_link(
        photos[:8],
        reals_per_token=64,
        patches_per_image=200,
        generator=torch.Generator().manual_seed(1),
    )


def mse(a, b):
    return (a - b).square().mean().item()


def axes(*deviations):
    """A transform whose k components are the first k pixels, around mid-grey."""
    basis = torch.eye(768)[:, : len(deviations)]
    return PatchPCA(torch.full((768,), 0.5), basis, torch.tensor(deviations).square())


def test_symbols_by_hand():
    """Two components of variance 0.0016 and 0.0001, 0.04 and 0.01 away from the mean.

    Scaled by variance^(-1/4), 0.04 / 0.2 = 0.2 and 0.01 / 0.1 = 0.1, so the power is 0.05 and
    the gain 1 / sqrt(0.05) = 4.4721 = 13.01 dB: the symbol is 0.8944 + 0.4472j. Of the byte's
    steps of 0.375 dB from -64 dB, 205 is the nearest, 12.875 dB = 4.4030.
    """
    link = LinearLink(axes(0.04, 0.01), reals_per_token=2)
    image = torch.full((1, 3, 16, 16), 0.5)
    image[0, 0, 0, 0] += 0.04
    image[0, 0, 0, 1] += 0.01
    sent = link.send(image)
    assert sent.gain_code.tolist() == [205]
    torch.testing.assert_close(sent.symbols, torch.tensor([[0.8944 + 0.4472j]]), atol=1e-4, rtol=0)
    # 13.07 dB is nearer to 206, 13.25 dB
    image = 0.5 + (image - 0.5) * 10 ** ((13.0103 - 13.0700) / 20)
    assert link.send(image).gain_code.tolist() == [206]


def test_lmmse_by_hand():
    """A symbol of exactly the gain that the byte names, at 0 dB.

    N = 1 / (2 4.4030^2) = 0.025791 per real number.
    Estimates shrink by 0.04 / (0.04 + N) = 0.60798 and 0.01 / (0.01 + N) = 0.27940.
    """
    link = LinearLink(axes(0.04, 0.01), reals_per_token=2)
    signal = AnalogSignal(torch.tensor([[0.8806 + 0.4403j]]), torch.tensor([205]))
    image = link.receive(signal, torch.tensor([0.0]), image_size=(16, 16))
    torch.testing.assert_close(
        image[0, 0, 0, :3],
        torch.tensor([0.5 + 0.04 * 0.60798, 0.5 + 0.01 * 0.27940, 0.5]),
        atol=1e-5,
        rtol=0,
    )


def test_all_components_without_noise_return_the_image():
    """Up to the byte's half step, 0.1875 dB: 2.2% of the distance from the mean."""
    generator = torch.Generator().manual_seed(2)
    basis, _ = torch.linalg.qr(torch.randn(768, 768, generator=generator))
    pca = PatchPCA(torch.full((768,), 0.5), basis, torch.ones(768))
    image = torch.rand(2, 3, 20, 33, generator=generator)
    received = LinearLink(pca, reals_per_token=768).transmit(
        image, torch.tensor([300.0, 300.0]), channel=Noiseless()
    )
    assert ((received - image).abs() <= 0.022 * (image - 0.5).abs() + 1e-5).all()


def test_every_image_has_unit_power(link, photos):
    power = link.send(torch.cat(photos)).symbols.abs().square().mean(dim=1)
    torch.testing.assert_close(power, torch.ones(12))


def test_more_snr_and_more_components_are_better(photos, link):
    image = photos[9]
    errors = []
    for snr_db in (1.0, 4.0, 7.0, 10.0, 13.0, 19.0):
        noise = torch.Generator().manual_seed(3)
        errors.append(mse(image, link.transmit(image, torch.tensor([snr_db]), generator=noise)))
    assert errors == sorted(errors, reverse=True)
    narrow = fit_linear_link(photos[:8], reals_per_token=8, generator=torch.Generator())
    received = narrow.transmit(image, torch.tensor([19.0]), generator=torch.Generator())
    assert mse(image, received) > errors[-1]


def test_the_estimate_is_better_than_none(link, photos):
    """At an SNR far too low, LMMSE falls back on the mean rather than on noise."""
    image = photos[10]
    grey = link.mean.reshape(3, 16, 16)[:, :1, :1].expand(1, 3, 96, 96)
    noise = torch.Generator().manual_seed(4)
    received = link.transmit(image, torch.tensor([-15.0]), generator=noise)
    assert mse(image, received) < mse(image, grey)


def test_an_image_does_not_depend_on_its_neighbours(link, photos):
    both = link.transmit(torch.cat(photos[:2]), torch.tensor([10.0, 20.0]), channel=Noiseless())
    alone = link.transmit(photos[1], torch.tensor([20.0]), channel=Noiseless())
    torch.testing.assert_close(both[1:], alone)


@pytest.mark.parametrize("size", [(1, 1), (16, 40), (50, 17)])
def test_any_size(link, size):
    received = link.transmit(torch.rand(1, 3, *size), torch.tensor([10.0]))
    assert received.shape == (1, 3, *size)
    assert 0 <= received.min() <= received.max() <= 1


def test_cbr_by_hand(link):
    # 256 tokens of 32 symbols; a byte at log2(1 + 10) = 3.459 bits takes 3 uses
    assert link.cbr((256, 256), snr_db=10.0) == (256 * 32 + 3) / (3 * 256 * 256)
    assert link.cbr((1, 1), snr_db=10 * math.log10(3)) == pytest.approx((32 + 4) / 3)


def test_errors_say_what_was_expected(photos):
    pca = axes(0.1, 0.1, 0.1)
    for reals in (0, 3, 4):
        with pytest.raises(
            ValueError, match=rf"expected an even number of reals in 2\.\.3, got {reals}"
        ):
            LinearLink(pca, reals_per_token=reals)
    with pytest.raises(ValueError, match="expected photos of at least 16 x 16, got 8 x 30"):
        fit_linear_link([torch.zeros(1, 3, 8, 30)], reals_per_token=4)
