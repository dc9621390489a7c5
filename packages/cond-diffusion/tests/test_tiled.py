"""Tiles against one tile for the whole image.

What limits the agreement is the context that a prediction takes. GroupNorm and the linear attention
of the U-Net take means over the whole tile, so no pixel of a tiled decode is exactly that of an
untiled one. Here the context is nothing (the closed form), three pixels, or the mean of a tile.
"""

import itertools

import pytest
import torch
from torch import nn

from cond_diffusion import (
    DiffusersSampler,
    DiffusionConfig,
    DiffusionDecoder,
    TruncatedDDIM,
    UNetConfig,
)
from cond_diffusion.tiles import tile_spans

SIZE = (112, 112)  # two tiles of 64 on each side, at 0 and 48
INNER = slice(48, 64)  # rows and columns that both tiles cover


class Squares(nn.Module):
    """A base whose picture is the latent's first three channels, each value a 16 x 16 square."""

    def forward(self, y_hat):
        return y_hat[:, :3].repeat_interleave(16, 2).repeat_interleave(16, 3)


class Mean(nn.Module):
    """A branch that takes the 3 x 3 pixels around each."""

    def forward(self, x_t, base, y_hat, time):
        return nn.functional.avg_pool2d(x_t, 3, stride=1, padding=1)


class TileMean(nn.Module):
    """A branch that is the mean of the base image over the tile, as extreme as a context can be."""

    def forward(self, x_t, base, y_hat, time):
        return 0.2 * base.mean((1, 2, 3), keepdim=True).expand_as(base)


def latent():
    return 0.3 + 0.4 * torch.rand(1, 8, 7, 7, generator=torch.Generator().manual_seed(1))


def both(*, unet=None, **arguments):
    """Decode the same in four tiles and in one."""
    images = []
    for tile_size in (64, 1024):
        config = DiffusionConfig(unet=UNetConfig.tiny(), tile_size=tile_size, tile_overlap=16)
        torch.manual_seed(0)
        decoder = DiffusionDecoder(config, base=Squares())
        if unet is not None:
            decoder.unet = unet
        make = arguments.get("sampler")
        options = arguments | ({} if make is None else {"sampler": make(decoder.schedule)})
        noise = torch.Generator().manual_seed(2)
        images.append(decoder.decode(latent(), image_size=SIZE, generator=noise, **options))
    return images


def euler_ancestral(schedule):
    diffusers = pytest.importorskip("diffusers", reason="needs diffusers: pip install diffusers")
    scheduler = diffusers.EulerAncestralDiscreteScheduler(prediction_type="v_prediction")
    return DiffusersSampler(schedule, scheduler)


STOCHASTIC = [
    {"steps": 5},
    {"steps": 5, "eta": 1.0},
    {"steps": 5, "sampler": lambda schedule: TruncatedDDIM(schedule, gamma=1.0)},
    {"steps": 5, "sampler": euler_ancestral},
]


def test_the_tiles_are_those_of_the_tests():
    spans = tile_spans(SIZE[0], size=64, overlap=16, unit=16)
    assert [(span.start, span.stop) for span in spans] == [(0, 64), (48, 112)]


@pytest.mark.parametrize("arguments", STOCHASTIC)
def test_without_context_tiles_are_exact(arguments):
    tiled, whole = both(**arguments)
    torch.testing.assert_close(tiled, whole, atol=1e-6, rtol=0)
    outside = torch.ones(SIZE, dtype=torch.bool)
    outside[INNER], outside[:, INNER] = False, False
    assert torch.equal(tiled[..., outside], whole[..., outside])
    assert whole.std() > 0.05


def distance_to_inner_edges():
    """Distance of each pixel (H, W) to the nearest row or column where a tile ends inside."""
    position = torch.arange(SIZE[0])
    first_outside = [(position - 47).abs(), (position - 48).abs()]  # the second tile begins
    last_inside = [(position - 63).abs(), (position - 64).abs()]  # the first tile ends
    along = torch.stack(first_outside + last_inside).amin(0)
    return torch.minimum(along[:, None], along)


@pytest.mark.parametrize("arguments", STOCHASTIC)
def test_with_little_context_tiles_are_exact_away_from_the_edges(arguments):
    # A tile sees zeros beyond its edge, and every prediction carries the error one pixel further.
    tiled, whole = both(unet=Mean(), **arguments)
    error = (tiled - whole).abs().amax((0, 1))
    assert error[distance_to_inner_edges() >= 5].max() < 1e-6
    assert error.max() > 1e-6  # there is something to blend


@pytest.mark.parametrize("arguments", [{"steps": 1}, *STOCHASTIC])
def test_with_the_context_of_a_tile_the_error_is_blended(arguments):
    # Over an overlap of 16 the weights change by 1 / 17 from column to column, so no step is larger
    # than that share of the difference between tiles.
    tiled, whole = both(unet=TileMean(), **arguments)
    error = tiled - whole
    spread = (error.amax() - error.amin()).item()
    assert spread > 0.005
    assert error.diff(dim=-1).abs().max() < spread / 17 + 3e-5  # the rest is rounding
    assert error.diff(dim=-2).abs().max() < spread / 17 + 3e-5


def test_one_step_is_the_blend_of_one_step_in_each_tile(awaken):
    config = DiffusionConfig(unet=UNetConfig.tiny(), tile_size=64, tile_overlap=16)
    decoder = DiffusionDecoder(config, base=Squares())
    awaken(decoder.unet)
    expected = torch.zeros(1, 3, *SIZE)
    spans = tile_spans(SIZE[0], size=64, overlap=16, unit=16)
    for row, column in itertools.product(spans, spans):
        y_hat = latent()[:, :, row.start // 16 :, column.start // 16 :]
        weight = row.weight[:, None] * column.weight
        place = (..., slice(row.start, row.stop), slice(column.start, column.stop))
        expected[place] += weight * decoder.decode(y_hat, image_size=(64, 64))
    assert torch.equal(decoder.decode(latent(), image_size=SIZE), expected)
