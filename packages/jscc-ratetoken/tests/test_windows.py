import pytest
import torch

from jscc_ratetoken import windows
from jscc_ratetoken.windows import WindowBlock, window_regions


def make(shift):
    return WindowBlock(8, heads=2, mlp_ratio=2.0, window=4, shift=shift)


def window_by_window(module, grid):
    """Cut the grid at the offset borders and run timm's block on each piece alone, unpadded."""
    _, height, width, _ = grid.shape
    size, shift, done = module.window, module.shift, torch.zeros_like(grid)
    rows = (torch.arange(height) + shift) // size
    columns = (torch.arange(width) + shift) // size
    for row in rows.unique():
        for column in columns.unique():
            r, c = torch.where(rows == row)[0], torch.where(columns == column)[0]
            place = (((r + shift) % size)[:, None] * size + ((c + shift) % size)[None]).flatten()
            piece = grid[:, r[:, None], c].flatten(1, 2)
            position = module.position[place]
            out = module.block(piece + position) - position
            done[:, r[:, None], c] = out.view(-1, len(r), len(c), grid.shape[-1])
    return done


def test_labels_of_a_shifted_row_of_three_tokens():
    # Window 2, shift 1: columns roll to [pad, 0 | 1, 2]; the lone row rolls below a padded one.
    labels = window_regions(1, 3, window=2, shift=1)
    assert labels.tolist() == [[-1, -1, -1, 0], [-1, -1, 0, 0]]


def test_wrapped_columns_are_kept_apart():
    # Window 2, shift 1, two columns: [1 | 0] share a window after rolling, but are no neighbours.
    assert window_regions(1, 2, window=2, shift=1).tolist() == [[-1, -1, 1, 0]]


@pytest.mark.parametrize("shift", [0, 2])
def test_blocks_start_as_the_identity(shift):
    grid = torch.randn(2, 5, 7, 8)
    assert torch.equal(make(shift)(grid), grid)


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("size", [(4, 4), (8, 12), (5, 7), (1, 1), (3, 10), (9, 2)])
def test_padding_and_rolling_change_nothing(trained, shift, size):
    module = trained(make(shift))
    grid = torch.randn(2, *size, 8)
    torch.testing.assert_close(module(grid), window_by_window(module, grid), atol=1e-5, rtol=1e-5)


def test_memory_is_bounded_by_windows_at_once(trained, monkeypatch):
    module = trained(make(2))
    grid = torch.randn(2, 9, 9, 8)
    expected = module(grid)
    seen = []
    module.block.register_forward_pre_hook(lambda _, arguments: seen.append(len(arguments[0])))
    monkeypatch.setattr(windows, "WINDOWS_AT_ONCE", 4)
    with torch.no_grad():
        torch.testing.assert_close(module(grid), expected, atol=1e-5, rtol=1e-5)
    assert seen == [4, 4, 4, 4, 2]  # 2 images of 3 x 3 windows


def test_position_steers_the_block_without_entering_the_stream():
    module = make(0)
    with torch.no_grad():
        module.position.fill_(0.5)
    grid = torch.randn(1, 4, 4, 8)
    torch.testing.assert_close(module(grid), grid)


def test_every_parameter_learns(trained):
    module = trained(make(2))
    module(torch.randn(1, 5, 5, 8)).square().sum().backward()
    assert all(bool((p.grad != 0).any()) for p in module.parameters())
