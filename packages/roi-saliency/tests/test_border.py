import torch

from roi_saliency import barrier_distance, border_contrast


def walled_square():
    """Seven high walls around a floor of height 2, on a plain of height 0."""
    height = torch.zeros(1, 1, 7, 7)
    height[..., 1:6, 1:6] = 7.0
    height[..., 2:5, 2:5] = 2.0
    return height


def test_barrier_by_hand():
    # Every path to the floor crosses a wall: it has seen 7 and 0, so the barrier is 7.
    distance = barrier_distance(walled_square())[0, 0]
    expected = torch.zeros(7, 7)
    expected[1:6, 1:6] = 7.0
    assert torch.equal(distance, expected)


def test_barrier_finds_the_gate_by_hand():
    # A gate of height 3 in the wall: the floor is reached over 3, so its barrier is 3, as far as
    # three rounds lead from the gate.
    height = walled_square()
    height[..., 1, 3] = 3.0
    distance = barrier_distance(height)[0, 0]
    assert (distance[2:4, 2:5] == 3.0).all()
    assert distance[1, 3] == 3.0
    assert distance[1, 1] == 7.0


def test_a_slope_that_reaches_the_border_is_no_object():
    slope = torch.linspace(0, 10, 9).repeat(9, 1)[None, None]
    assert barrier_distance(slope).max() <= 1.25  # one step of the slope at most


def test_channels_share_one_path():
    # Height 1 by one way, height 1 by the other in another channel: separate paths would give 0.
    features = torch.zeros(1, 2, 3, 3)
    features[0, 0, 1, 1] = 4.0
    features[0, 1, 1, 1] = 5.0
    assert barrier_distance(features)[0, 0, 1, 1] == 9.0


def test_all_border_is_at_no_distance():
    assert torch.equal(barrier_distance(torch.rand(1, 3, 2, 2)), torch.zeros(1, 1, 2, 2))


def test_contrast_by_hand():
    # One channel: borders are all 0, so every strip is N(0, 4); an object of 8 lies
    # 8 / 2 = 4 deviations away from each, divided by its maximum 1; three of four strips count.
    features = torch.zeros(1, 1, 6, 6)
    features[..., 2:4, 2:4] = 8.0
    contrast = border_contrast(features, width=1, variance_floor=4.0)[0, 0]
    expected = torch.zeros(6, 6)
    expected[2:4, 2:4] = 3.0
    torch.testing.assert_close(contrast, expected)


def test_contrast_of_less_than_three_deviations_is_not_stretched():
    features = torch.zeros(1, 1, 6, 6)
    features[..., 2:4, 2:4] = 3.0  # 1.5 deviations, half of three
    assert border_contrast(features, width=1, variance_floor=4.0).max().item() == 1.5


def test_an_object_may_touch_one_side():
    features = torch.zeros(1, 3, 12, 12)
    features[..., 4:8, :5] = 20.0
    contrast = border_contrast(features, width=2, variance_floor=1.0)[0, 0]
    assert contrast[5, 2] > 2 * contrast[1, 8]
