import pytest
import torch

from lrisc_system.metrics.roi_consistency import roi_iou


def test_intersection_over_union_by_hand():
    """Rows of four: three of a region, two of the other, one in common: 1 / 4."""
    one = torch.tensor([0.9, 0.8, 0.7, 0.0]).view(1, 1, 1, 4)
    other = torch.tensor([0.2, 0.5, 0.6, 0.9]).view(1, 1, 1, 4)  # 1/2 itself is outside
    assert roi_iou(one, other).tolist() == [0.25]
    assert roi_iou(one, one).tolist() == [1.0]
    assert roi_iou(one, 1 - one).tolist() == [0.0]


def test_two_images_without_a_region_agree():
    nothing, all_of_it = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    x, y = torch.cat([nothing, nothing, all_of_it]), torch.cat([nothing, all_of_it, all_of_it])
    assert roi_iou(x, y).tolist() == [1.0, 0.0, 1.0]


def test_maps_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected two maps \(B, 1, H, W\)"):
        roi_iou(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3))
