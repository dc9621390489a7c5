import pytest
import torch

from lrisc_system.realism import check_realism, decode_regions


def noise_of(realism, generator):
    """An image of one value: ten times the realism, and noise that tells the generator's state."""
    return 10 * realism + torch.rand(1, generator=generator).expand(1, 3, 2, 4)


def left_half(image):
    mask = torch.zeros(1, 1, 2, 4)
    mask[..., :2] = 1
    return mask


def decode(realism, realism_roi, *, seed=0, find_roi=left_half):
    return decode_regions(
        noise_of,
        realism=realism,
        realism_roi=realism_roi,
        find_roi=find_roi,
        generator=torch.Generator().manual_seed(seed),
    )


def test_one_realism_decodes_once():
    first = torch.rand(1, generator=torch.Generator().manual_seed(0))
    for realism_roi in (None, 0.5):
        image = decode(0.5, realism_roi, find_roi=None)
        assert torch.equal(image, (5 + first).expand(1, 3, 2, 4))


def test_two_realisms_share_the_noise_and_are_blended_by_the_mask():
    first = torch.rand(1, generator=torch.Generator().manual_seed(0))
    image = decode(1.0, 0.0)
    torch.testing.assert_close(image[..., :2], first.expand(1, 3, 2, 2))
    torch.testing.assert_close(image[..., 2:], (10 + first).expand(1, 3, 2, 2))


@pytest.mark.parametrize(("realism", "realism_roi"), [(1.0, 0.2), (0.2, 1.0)])
def test_the_region_is_found_in_the_more_faithful_image(realism, realism_roi):
    seen = []

    def remember(image):
        seen.append(float(image.mean()))
        return left_half(image)

    decode(realism, realism_roi, find_roi=remember)
    assert len(seen) == 1
    assert 2 <= seen[0] < 3


def test_without_a_generator_both_still_share_the_noise():
    image = decode_regions(
        noise_of, realism=1.0, realism_roi=0.0, find_roi=left_half, generator=None
    )
    torch.testing.assert_close(image[..., 2:] - image[..., :2], torch.full((1, 3, 2, 2), 10.0))


@pytest.mark.parametrize("realism", [-0.1, 1.1, float("nan"), float("inf")])
def test_realism_out_of_range(realism):
    with pytest.raises(ValueError, match=r"expected a realism in \[0, 1\], got"):
        check_realism(0.5, None, realism)
    with pytest.raises(ValueError, match="realism"):
        decode(realism, None)
