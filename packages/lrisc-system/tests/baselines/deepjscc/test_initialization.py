import pytest
import torch
import torch.nn.functional as F

from lrisc_system.baselines.deepjscc.initialization import block_components, start_deepjscc
from lrisc_system.baselines.deepjscc.model import DeepJSCC, DeepJSCCConfig
from lrisc_system.baselines.linear.link import fit_linear_link


class Photos:
    """Smooth random photos, as a `Source` gives them."""

    def crops(self, *, size, count, seed):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(min(count, 40)):
            coarse = torch.rand(1, 3, size // 8, size // 8, generator=generator)
            yield F.interpolate(coarse, size=(size, size), mode="bicubic")[0].clamp(0, 1)


@pytest.fixture(scope="module")
def photos():
    return torch.stack(list(Photos().crops(size=128, count=40, seed=1)))


@pytest.fixture(scope="module")
def started():
    torch.manual_seed(0)
    model = DeepJSCC(DeepJSCCConfig(reals_per_token=32))
    start_deepjscc(model, Photos())
    return model


def error(received, photos):
    return (received - photos).square().mean().item()


def test_the_untrained_link_is_close_to_the_linear_one(started, photos):
    linear = fit_linear_link(
        (photo[None] for photo in Photos().crops(size=128, count=40, seed=0)),
        reals_per_token=32,
        generator=torch.Generator().manual_seed(0),
    )
    snr_db = torch.full((len(photos),), 10.0)
    ours, reference = (
        error(link.transmit(photos, snr_db, generator=torch.Generator().manual_seed(2)), photos)
        for link in (started, linear)
    )
    assert ours < 1.05 * reference


def test_the_untrained_encoder_is_linear(started, photos):
    first, second = photos[:1], photos[1:2]
    middle = started.encoder((first + second) / 2)
    ends = (started.encoder(first) + started.encoder(second)) / 2
    torch.testing.assert_close(middle, ends, atol=1e-4, rtol=1e-4)


def test_amplitudes_have_the_deviation_that_the_receiver_assumes(started):
    crops = torch.stack(list(Photos().crops(size=128, count=40, seed=0)))
    amplitudes = started.encoder(crops).transpose(0, 1).flatten(1)  # (k, n h w)
    root_mean_square = amplitudes.square().mean(dim=1).sqrt()
    torch.testing.assert_close(root_mean_square, started.log_deviation.exp(), atol=0, rtol=0.02)


def test_block_components_by_hand():
    # Blocks (a, a, b, b) with a of variance 4 and b of variance 1: 2 x 4 = 8 and 2 x 1 = 2.
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(1, 1, 2000, 1, generator=generator).expand(1, 1, 2000, 2).clone()
    rows = rows / rows.flatten().std()
    rows[:, :, ::2] *= 2.0
    kernels, variance = block_components(rows, side=2, count=2)
    assert kernels.shape == (2, 1, 2, 2)
    torch.testing.assert_close(variance, torch.tensor([8.0, 2.0]), rtol=0.1, atol=0)
    top = torch.tensor([[1.0, 1.0], [0.0, 0.0]]) / 2**0.5
    torch.testing.assert_close(kernels[0, 0].abs(), top, atol=0.05, rtol=0)
