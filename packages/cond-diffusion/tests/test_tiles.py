from itertools import pairwise

import pytest
import torch

from cond_diffusion.tiles import blend_tiles, tile_spans, tile_starts


def test_starts_by_hand():
    # 10 = 4 + 3 * 2: three more tiles at stride 2; 9 needs as many, evenly spread over 5.
    assert tile_starts(10, size=4, overlap=2) == [0, 2, 4, 6]
    assert tile_starts(9, size=4, overlap=2) == [0, 1, 3, 5]
    assert tile_starts(4, size=4, overlap=2) == [0]
    assert tile_starts(1, size=4, overlap=2) == [0]


@pytest.mark.parametrize("length", [4, 5, 17, 100])
@pytest.mark.parametrize("overlap", [0, 1, 3])
def test_tiles_cover_and_overlap(length, overlap):
    starts = tile_starts(length, size=4, overlap=overlap)
    assert starts[0] == 0
    assert starts[-1] + 4 == length
    for one, other in pairwise(starts):
        assert one < other <= one + 4 - overlap


def test_weights_by_hand():
    # Two tiles of 4 over 6: distances to the edges 1 2 2 1 (cut at 2), so 2 : 1 then 1 : 2 in
    # the two shared positions, and 1 where a tile is alone.
    first, second = tile_spans(6, size=4, overlap=2)
    torch.testing.assert_close(first.weight, torch.tensor([1, 1, 2 / 3, 1 / 3]))
    torch.testing.assert_close(second.weight, torch.tensor([1 / 3, 2 / 3, 1, 1]))
    assert (second.start, second.stop) == (2, 6)


@pytest.mark.parametrize(("length", "size", "overlap"), [(16, 64, 16), (976, 512, 64), (80, 64, 0)])
def test_weights_sum_to_one_on_the_grid(length, size, overlap):
    total = torch.zeros(length)
    for span in tile_spans(length, size=size, overlap=overlap, unit=16):
        assert span.start % 16 == 0
        total[span.start : span.stop] += span.weight
    torch.testing.assert_close(total, torch.ones(length))


def test_blending_by_hand():
    # Along each side the weights are 1, 1, 2/3, 1/3 of the first tile, and the rest is the second.
    tiles = {(0, 0): 0.0, (0, 2): 9.0, (2, 0): 18.0, (2, 2): 27.0}  # additive: 9 right, 18 down
    image = blend_tiles(
        lambda rows, columns: torch.full((1, 1, 4, 4), tiles[rows.start, columns.start]),
        (1, 1, 6, 6),
        size=4,
        overlap=2,
        unit=1,
        device=torch.device("cpu"),
    )
    second = torch.tensor([0, 0, 1 / 3, 2 / 3, 1, 1])
    torch.testing.assert_close(image[0, 0], 18 * second[:, None] + 9 * second)
