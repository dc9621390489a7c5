import math

import pytest
import torch

from lrisc_system.metrics.grid import (
    flat_areas,
    grid_amplitude,
    residual_by_phase,
    set_amplitude,
)


def tiled(pattern, *, rows, columns):
    """Repeat a pattern (p, p) over an image (1, 3, rows p, columns p)."""
    return pattern.repeat(rows, columns).expand(1, 3, -1, -1)


def test_a_pattern_is_found_as_it_is_and_its_mean_is_not_part_of_it():
    pattern = torch.tensor([[1.0, -1.0], [3.0, 5.0]]) / 255  # mean 2
    x = torch.full((1, 3, 32, 48), 0.5)
    found, count = residual_by_phase(x, x + tiled(pattern, rows=16, columns=24), period=2)
    torch.testing.assert_close(found[0, 1], pattern - 2 / 255)
    assert torch.equal(count, torch.full((1, 1, 2, 2), 16.0 * 24))


def test_the_amplitude_is_the_root_mean_square_in_grey_levels():
    """(-1, -3, 1, 3) has a mean square of 5."""
    pattern = torch.tensor([[1.0, -1.0], [3.0, 5.0]]) / 255
    x = torch.full((2, 3, 32, 32), 0.5)
    received = x + tiled(pattern, rows=16, columns=16)
    assert grid_amplitude(x, received, period=2).item() == pytest.approx(5**0.5, rel=1e-4)
    assert grid_amplitude(x, received, period=16).item() == pytest.approx(5**0.5, rel=1e-4)
    assert grid_amplitude(x, received, period=1).item() == pytest.approx(0, abs=1e-4)


def test_what_images_do_not_share_averages_out():
    pattern = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]) / 255
    x = torch.full((2, 3, 16, 16), 0.5)
    sign = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    received = x + sign * tiled(pattern, rows=8, columns=8)
    assert grid_amplitude(x, received, period=2).item() == pytest.approx(0, abs=1e-4)


def test_only_flat_areas_count():
    """Left half: a checkerboard of 20 grey levels, no flat area; right half: one grey."""
    x = torch.full((1, 3, 32, 64), 0.5)
    x[..., ::2, :32:2] += 20 / 255
    flat = flat_areas(x)
    assert not flat[..., :28].any()
    assert flat[..., 36:].all()
    received = x.clone()
    received[..., :28] += torch.rand(1, 3, 32, 28, generator=torch.Generator().manual_seed(0))
    assert grid_amplitude(x, received, period=16).item() == 0


def test_a_dark_flat_area_of_a_bright_image_is_flat_in_float32():
    x = torch.cat([torch.full((1, 3, 32, 32), 0.001), torch.full((1, 3, 32, 32), 0.999)], dim=3)
    assert flat_areas(x)[..., :24].all()
    assert flat_areas(x)[..., 40:].all()
    assert not flat_areas(x)[..., 31:33].any()


def test_shapes_must_agree_and_hold_a_period():
    x = torch.zeros(1, 3, 8, 32)
    with pytest.raises(ValueError, match="at least 16 x 16"):
        residual_by_phase(x, x, period=16)
    with pytest.raises(ValueError, match="of one shape"):
        residual_by_phase(x, x[..., :16], period=4)


def test_images_of_different_sizes_are_one_set():
    """One image has a pattern of 2, the other none; three of four places are the one's."""
    pattern = torch.tensor([[2.0, -2.0], [-2.0, 2.0]]) / 255
    wide, small = torch.full((1, 3, 16, 48), 0.5), torch.full((1, 3, 16, 16), 0.5)
    pairs = [(wide, wide + tiled(pattern, rows=8, columns=24)), (small, small)]
    found = [residual_by_phase(*pair, period=2) for pair in pairs]
    assert set_amplitude(found) == pytest.approx(1.5, rel=1e-4)


def test_without_flat_areas_a_set_has_no_amplitude():
    busy = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert math.isnan(set_amplitude([residual_by_phase(busy, busy, period=2)]))
    assert math.isnan(set_amplitude([]))
