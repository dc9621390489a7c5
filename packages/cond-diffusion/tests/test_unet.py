import dataclasses

import pytest
import torch

from cond_diffusion import ConditionalUNet, UNetConfig
from cond_diffusion.unet import TimeEmbedding


def inputs(size=(32, 48), *, batch=2):
    height, width = size
    generator = torch.Generator().manual_seed(0)
    x_t, base = torch.randn(2, batch, 3, height, width, generator=generator)
    y_hat = torch.randn(batch, 8, height // 16, width // 16, generator=generator)
    return x_t, base, y_hat, torch.linspace(0.2, 0.9, batch)


@pytest.mark.parametrize("size", [(16, 16), (32, 48), (64, 128), (16, 208)])
@pytest.mark.parametrize("patch_size", [1, 2])
def test_starts_at_zero_for_every_size(size, patch_size):
    unet = ConditionalUNet(dataclasses.replace(UNetConfig.tiny(), patch_size=patch_size))
    assert torch.equal(unet(*inputs(size)), torch.zeros(2, 3, *size))


def test_unit_j_has_j_times_the_channels():
    # LRISC Sec. III-A.4: 64 * j channels in unit j of six.
    unet = ConditionalUNet(UNetConfig.tiny())
    widths = [unit.block2.conv2.out_channels for unit in unet.down_units]
    assert widths == [8, 16, 24, 32, 40, 48]
    assert [unit.block2.conv2.out_channels for unit in unet.up_units] == widths


def test_every_input_matters_once_awake(awaken):
    unet = ConditionalUNet(UNetConfig.tiny())
    awaken(unet)
    arguments = inputs()
    reference = unet(*arguments)
    for index in range(4):
        changed = list(arguments)
        changed[index] = changed[index] + 0.05
        assert not torch.allclose(unet(*changed), reference, atol=1e-6), index


def test_samples_do_not_see_their_neighbours(awaken):
    unet = ConditionalUNet(UNetConfig.tiny())
    awaken(unet)
    arguments = inputs()
    alone = unet(*[argument[1:] for argument in arguments])
    torch.testing.assert_close(unet(*arguments)[1:], alone, atol=1e-5, rtol=1e-4)


def test_gradient_reaches_every_parameter(awaken):
    unet = ConditionalUNet(UNetConfig.tiny())
    awaken(unet)
    unet(*inputs()).square().mean().backward()
    silent = [
        name
        for name, parameter in unet.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert silent == []


def test_only_the_head_learns_in_the_first_step():
    # The head is zero, so no gradient passes it; it has one itself as soon as an error exists.
    unet = ConditionalUNet(UNetConfig.tiny())
    (unet(*inputs()) - 1).square().mean().backward()
    assert unet.head.weight.grad.any()
    assert not unet.stem.weight.grad.any()


def test_gradient_checkpointing_changes_nothing_but_memory(awaken):
    plain = ConditionalUNet(UNetConfig.tiny())
    awaken(plain)
    frugal = ConditionalUNet(dataclasses.replace(UNetConfig.tiny(), checkpoint_gradients=True))
    frugal.load_state_dict(plain.state_dict())
    for unet in (plain, frugal):
        unet(*inputs()).square().mean().backward()
    for one, other in zip(plain.parameters(), frugal.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_time_embedding_tells_neighbouring_times_apart():
    embedding = TimeEmbedding(8)
    time = torch.tensor([0.5, 0.5 + 1 / 8193])
    phase = time[:, None] * embedding.frequencies  # the fastest turns by 2^7 pi / 8193 = 0.049
    assert (phase[1] - phase[0])[-1].item() == pytest.approx(0.0491, rel=1e-2)
    assert embedding(time).shape == (2, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_channels": 12}, "base_channels to be a multiple of 8, got 12"),
        ({"condition_channels": 0}, "condition_channels to be a multiple of 8, got 0"),
        ({"units": 3}, r"units in \[4, 32\], got 3"),
        ({"patch_size": 4}, "patch_size 1 or 2, got 4"),
        ({"latent_channels": 0}, "latent_channels of at least 1, got 0"),
    ],
)
def test_config_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(UNetConfig.tiny(), **change)


def test_small_fits_its_budget():
    # At most 5 million parameters: 20 MB of float32 weights.
    with torch.device("meta"):
        unet = ConditionalUNet(UNetConfig.small())
    assert sum(parameter.numel() for parameter in unet.parameters()) <= 5_000_000
