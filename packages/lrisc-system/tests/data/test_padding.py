import pytest
import torch

from lrisc_system.data.padding import crop_to_size, pad_to_stride


@pytest.mark.parametrize("size", [(1, 1), (1, 33), (16, 16), (17, 5), (31, 48)])
def test_padding_reaches_the_stride_and_is_undone(size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    padded = pad_to_stride(image, stride=16)
    assert padded.shape[-2] == -(-size[0] // 16) * 16
    assert padded.shape[-1] == -(-size[1] // 16) * 16
    assert torch.equal(crop_to_size(padded, size), image)
    assert torch.equal(padded[..., -1, -1], image[..., -1, -1])


def test_padding_and_cropping_refuse_impossible_sizes():
    with pytest.raises(ValueError, match="expected an image of at least 1 x 1"):
        pad_to_stride(torch.zeros(1, 3, 0, 4))
    with pytest.raises(ValueError, match=r"expected a size within \(4, 4\), got \(5, 4\)"):
        crop_to_size(torch.zeros(1, 3, 4, 4), (5, 4))
