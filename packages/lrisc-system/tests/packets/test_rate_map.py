import random
import time

import pytest
import torch

from lrisc_system.packets.packet import PacketError
from lrisc_system.packets.rate_map import decode_rates, encode_rates


def smooth_grid(height, width, *, levels, seed=0):
    """Rates that follow a picture: blurred noise plus some of its own, 3 to 4 bits apart."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, 1, height + 8, width + 8, generator=generator)
    field = torch.nn.functional.avg_pool2d(noise, 9, stride=1)[0, 0] * 9
    field = field + 0.3 * torch.randn(height, width, generator=generator)
    return (levels / 2 + levels / 6 * field).round().long().clamp(0, levels - 1)


def order_0_bits(grid):
    counts = torch.bincount(grid.flatten()).double()
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * shares.log2()).sum() * grid.numel())


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (16, 16), (33, 7)])
@pytest.mark.parametrize("levels", [1, 2, 12, 17, 256])
def test_random_grids_round_trip(size, levels):
    grid = torch.randint(0, levels, size, generator=torch.Generator().manual_seed(levels))
    stream = encode_rates(grid, levels=levels)
    decoded = decode_rates(stream, size=size, levels=levels)
    assert torch.equal(decoded, grid)
    assert decoded.dtype == torch.int64


def test_bytes_are_pinned():
    """Packets outlive versions: a change of the model must be a change of the packet's version."""
    grid = torch.tensor([[5, 5, 6, 7], [5, 6, 6, 8], [0, 1, 11, 3]])
    assert encode_rates(grid, levels=12).hex() == "57a52cd54657"


def test_a_flat_grid_costs_next_to_nothing():
    assert len(encode_rates(torch.full((16, 16), 4), levels=12)) <= 12
    assert len(encode_rates(torch.full((32, 48), 4), levels=12)) <= 25


def test_rates_of_a_picture_cost_less_than_their_entropy():
    for seed in range(3):
        for size, share in (((16, 16), 0.9), ((32, 48), 0.85)):
            grid = smooth_grid(*size, levels=12, seed=seed)
            assert 8 * len(encode_rates(grid, levels=12)) < share * order_0_bits(grid)


def test_noise_costs_little_more_than_its_entropy():
    grid = torch.randint(0, 12, (32, 48), generator=torch.Generator().manual_seed(1))
    assert 8 * len(encode_rates(grid, levels=12)) < 1.12 * order_0_bits(grid)


def test_a_4k_grid_takes_under_two_seconds():
    grid = smooth_grid(135, 240, levels=12)
    start = time.process_time()
    stream = encode_rates(grid, levels=12)
    middle = time.process_time()
    assert torch.equal(decode_rates(stream, size=(135, 240), levels=12), grid)
    assert middle - start < 2
    assert time.process_time() - middle < 2


def test_counts_stay_within_the_coder_over_a_long_grid():
    """One pair of neighbours seen thousands of times must not overflow the frequencies."""
    grid = torch.zeros(200, 200, dtype=torch.long)
    grid[::7, ::5] = 11
    stream = encode_rates(grid, levels=12)
    assert torch.equal(decode_rates(stream, size=(200, 200), levels=12), grid)


def test_damaged_streams_raise_or_stay_within_bounds():
    grid = smooth_grid(16, 16, levels=12)
    stream = encode_rates(grid, levels=12)
    generator = random.Random(0)
    for _ in range(60):
        damaged = bytearray(stream[: generator.randrange(len(stream) + 1)])
        if damaged:
            damaged[generator.randrange(len(damaged))] ^= generator.randrange(1, 256)
        decoded = decode_rates(bytes(damaged), size=(16, 16), levels=12)
        assert decoded.shape == (16, 16)
        assert 0 <= decoded.min() <= decoded.max() < 12


def test_surplus_bytes_are_noticed():
    grid = smooth_grid(16, 16, levels=12)
    with pytest.raises(PacketError, match="more rates than the image has tokens"):
        decode_rates(encode_rates(grid, levels=12) + b"12345678", size=(16, 16), levels=12)
    with pytest.raises(PacketError, match="no choice"):
        decode_rates(b"1", size=(4, 4), levels=1)


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"expected rate indices in 0\.\.11, got 0\.\.12"):
        encode_rates(torch.tensor([[0, 12]]), levels=12)
    with pytest.raises(ValueError, match=r"expected integers \(h, w\), got \(4,\)"):
        encode_rates(torch.zeros(4, dtype=torch.long), levels=12)
    with pytest.raises(ValueError, match="float32"):
        encode_rates(torch.zeros(4, 4), levels=12)
    with pytest.raises(ValueError, match="expected 1 to 256 levels, got 0"):
        decode_rates(b"", size=(4, 4), levels=0)
    with pytest.raises(ValueError, match="expected a grid"):
        decode_rates(b"", size=(0, 4), levels=4)
