import pytest
import torch

from lrisc_system.training.critic import (
    Critic,
    SpectralNorm,
    View,
    adversarial_loss,
    critic_loss,
)

PLAIN = View(top=0, left=0, enlargement=1, quarter=(0.0, 0.0), brightness=0.0, contrast=1.0)


@pytest.fixture(scope="module")
def critic():
    torch.manual_seed(0)
    return Critic(width=8)


def test_a_view_has_one_size_and_shows_the_same_place():
    grid = torch.arange(48 * 64.0).view(1, 1, 48, 64)
    generator = torch.Generator().manual_seed(0)
    views = [View.draw(generator) for _ in range(20)]
    assert {view.enlargement for view in views} == {1, 2}
    assert {view.cut(grid).shape for view in views} == {(1, 1, 32, 48)}
    moved = View(top=3, left=5, enlargement=1, quarter=(0.0, 0.0), brightness=0.0, contrast=1.0)
    assert torch.equal(moved.cut(grid), grid[..., 3:35, 5:53])
    near = View(top=0, left=0, enlargement=2, quarter=(1.0, 0.5), brightness=0.0, contrast=1.0)
    assert near.cut(grid)[0, 0, 0, 0] == grid[0, 0, 16, 12]


def test_brightness_and_contrast():
    view = View(top=0, left=0, enlargement=1, quarter=(0.0, 0.0), brightness=0.1, contrast=2.0)
    assert view.recolour(torch.tensor(0.25)) == pytest.approx(0.6)


def test_logits_on_three_layers_and_on_pixels(critic):
    image = torch.rand(2, 3, 80, 112)
    logits = critic(image, image, view=PLAIN)
    assert [each.shape for each in logits] == [
        (2, 1, 15, 23),
        (2, 1, 7, 11),
        (2, 1, 3, 5),
        (2, 1, 16, 24),
    ]


def test_alexnet_is_neither_trained_nor_saved(critic):
    assert not any("features" in name or "net" in name for name in critic.state_dict())
    assert sum(parameter.numel() for parameter in critic.parameters()) < 30_000


def test_the_critic_does_not_see_detail_of_the_source(critic):
    image = torch.rand(1, 3, 80, 80)
    source = torch.rand(1, 3, 80, 80)
    shuffled = source.unflatten(2, (10, 8)).flip(3).flatten(2, 3)  # inside the cells of 8 rows
    critic.eval()
    for one, other in zip(
        critic(image, source, view=PLAIN), critic(image, shuffled, view=PLAIN), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_spectral_norm_by_hand():
    kernel = torch.tensor([[3.0, 0.0], [0.0, 0.5]]).view(2, 2, 1, 1)
    expected = torch.tensor([[1.0, 0.0], [0.0, 1 / 6]]).view(2, 2, 1, 1)
    torch.testing.assert_close(SpectralNorm()(kernel), expected)
    kernel = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    largest = torch.linalg.matrix_norm(SpectralNorm()(kernel).flatten(1), 2)
    assert largest == pytest.approx(1.0)


def test_judging_moves_nothing(critic):
    critic.train()
    before = {name: tensor.clone() for name, tensor in critic.state_dict().items()}
    image = torch.rand(1, 3, 64, 64)
    critic(image, image, view=PLAIN)
    assert all(torch.equal(tensor, before[name]) for name, tensor in critic.state_dict().items())


def test_hinge_losses():
    real = [torch.full((2, 1, 1, 1), 0.25), torch.full((2, 1, 1, 1), 3.0)]
    fake = [torch.tensor([-0.5, 0.5]).view(2, 1, 1, 1), torch.full((2, 1, 1, 1), -2.0)]
    # (0.75 + (0.5 + 1.5) / 2 + 0 + 0) / 2
    assert critic_loss(real, fake) == pytest.approx(0.875)
    # -(mean(1 * -0.5, 0.5 * 0.5) + mean(1 * -2, 0.5 * -2)) / 2
    weight = torch.tensor([1.0, 0.5]).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    assert adversarial_loss(fake, weight=weight) == pytest.approx(0.8125)


def test_the_critic_learns_to_tell_noise_from_a_smooth_image(critic):
    critic.train()
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    smooth = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    for _ in range(30):
        noisy = smooth + 0.3 * torch.randn(1, 3, 64, 64, generator=generator)
        view = View.draw(generator)
        loss = critic_loss(critic(smooth, smooth, view=view), critic(noisy, smooth, view=view))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 1
