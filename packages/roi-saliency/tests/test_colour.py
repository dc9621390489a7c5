import pytest
import torch

from roi_saliency import rgb_to_lab


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        # Lindbloom's CIE colour calculator, sRGB, D65.
        ((1.0, 1.0, 1.0), (100.0, 0.0, 0.0)),
        ((1.0, 0.0, 0.0), (53.2408, 80.0925, 67.2032)),
        ((0.0, 0.0, 1.0), (32.2970, 79.1875, -107.8602)),
        ((0.5, 0.5, 0.5), (53.3890, 0.0, 0.0)),
    ],
)
def test_known_colours(rgb, lab):
    result = rgb_to_lab(torch.tensor(rgb).reshape(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(result, torch.tensor(lab), atol=0.02, rtol=0)


def test_black_is_zero():
    torch.testing.assert_close(rgb_to_lab(torch.zeros(2, 3, 2, 2)), torch.zeros(2, 3, 2, 2))
