import math

import pytest
import torch

from cond_diffusion import DDIM, CosineSchedule, ddim_sample, ddim_step


def test_step_by_hand():
    # Eq. (11) with abar = 0.36, next 0.64, x_t = 1, x_0 = 0.5:
    # 0.8 * 0.5 + 0.6 * (1 - 0.6 * 0.5) / 0.8 = 0.4 + 0.525.
    step = ddim_step(
        torch.tensor(1.0),
        torch.tensor(0.5),
        alpha_bar=torch.tensor(0.36),
        alpha_bar_next=torch.tensor(0.64),
    )
    assert step.item() == pytest.approx(0.925)


def test_step_with_the_true_image_stays_on_its_path():
    # With x_0 and the noise known, the step must land on sqrt(abar') x_0 + sqrt(1 - abar') noise.
    schedule = CosineSchedule(100)
    x_0, noise = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    x_t = schedule.q_sample(x_0, torch.tensor([80, 80]), noise)
    step = ddim_step(
        x_t, x_0, alpha_bar=schedule.alpha_bar[80], alpha_bar_next=schedule.alpha_bar[20]
    )
    expected = schedule.q_sample(x_0, torch.tensor([20, 20]), noise)
    torch.testing.assert_close(step, expected, atol=1e-5, rtol=1e-5)


def test_step_to_no_noise_is_the_prediction():
    x_0 = torch.randn(4)
    step = ddim_step(
        torch.randn(4), x_0, alpha_bar=torch.tensor(0.5), alpha_bar_next=torch.tensor(1.0)
    )
    assert torch.equal(step, x_0)


@pytest.mark.parametrize("steps", [1, 2, 17, 100])
def test_an_oracle_gives_its_image(steps):
    x_0 = torch.rand(2, 3, 4, 4) * 2 - 1
    sample = ddim_sample(
        lambda x_t, t: x_0, torch.randn(2, 3, 4, 4), schedule=CosineSchedule(100), steps=steps
    )
    assert torch.equal(sample, x_0)


def test_gaussian_images_come_out_with_their_own_deviation():
    # For x_0 ~ Normal(0, v) the best prediction is sqrt(abar) v x_t / (abar v + 1 - abar), and
    # the flow that DDIM follows scales x_T by sqrt(v), whatever the path between (Song 2021).
    variance, schedule = 0.04, CosineSchedule(1000)

    def predict(x_t, t):
        alpha_bar = schedule.alpha_bar[t][:, None]
        return alpha_bar.sqrt() * variance * x_t / (alpha_bar * variance + 1 - alpha_bar)

    x_T = torch.tensor([[1.0], [-2.0]])
    sample = ddim_sample(predict, x_T, schedule=schedule, steps=1000)
    torch.testing.assert_close(sample, math.sqrt(variance) * x_T, rtol=0.02, atol=0)


def test_predictions_are_clipped_and_see_the_times():
    seen = []

    def predict(x_t, t):
        seen.append(t.tolist())
        return torch.full_like(x_t, 3.0)

    sample = ddim_sample(predict, torch.zeros(2, 1), schedule=CosineSchedule(9), steps=3)
    assert torch.equal(sample, torch.ones(2, 1))
    assert seen == [[8, 8], [4, 4], [0, 0]]


def test_too_many_steps():
    with pytest.raises(ValueError, match=r"step count in \[1, 9\], got 10"):
        ddim_sample(lambda x_t, t: x_t, torch.zeros(1), schedule=CosineSchedule(9), steps=10)


# Fresh noise


def test_step_with_fresh_noise_by_hand():
    # abar = 0.36, next 0.64: the variance is 0.36 / 0.64 * (1 - 0.36 / 0.64) = 0.24609375, and
    # sqrt(0.36 - 0.24609375) = 0.3375 of the implied noise 0.875 is kept. For eta = 1 the mean is
    # that of DDPM: (0.8 * 0.4375 * 0.5 + 0.75 * 0.36 * 1) / 0.64 = 0.6953125.
    step = ddim_step(
        torch.ones(4),
        torch.full((4,), 0.5),
        alpha_bar=torch.tensor(0.36),
        alpha_bar_next=torch.tensor(0.64),
        eta=1.0,
        generator=torch.Generator().manual_seed(0),
    )
    fresh = torch.randn(4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(step, 0.6953125 + 0.24609375**0.5 * fresh)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_fresh_noise_replaces_as_much_as_it_adds(eta):
    schedule, generator = CosineSchedule(100), torch.Generator().manual_seed(0)
    alpha_bar, alpha_bar_next = schedule.alpha_bar[80], schedule.alpha_bar[20]
    x_0, noise = torch.tensor(0.3), torch.randn(100_000, generator=generator)
    x_t = alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise
    step = ddim_step(
        x_t,
        x_0,
        alpha_bar=alpha_bar,
        alpha_bar_next=alpha_bar_next,
        eta=eta,
        generator=generator,
    )
    assert step.mean().item() == pytest.approx(0.3 * alpha_bar_next.sqrt().item(), abs=0.01)
    assert step.var().item() == pytest.approx(1 - alpha_bar_next.item(), rel=0.02)


# As a sampler


def shrink(x_t, t):
    return (0.5 * x_t + 0.01 * t[:, None]).clamp(-1, 1)


def test_without_fresh_noise_it_is_ddim_sample_and_draws_nothing():
    schedule, x = CosineSchedule(50), torch.randn(3, 4)
    generator = torch.Generator().manual_seed(0)
    sample = DDIM(schedule)(shrink, x, timesteps=schedule.timesteps(7), generator=generator)
    assert torch.equal(sample, ddim_sample(shrink, x, schedule=schedule, steps=7))
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(0).get_state())


def test_any_times_and_the_callback():
    seen, schedule = [], CosineSchedule(50)
    sample = DDIM(schedule, eta=0.5)(
        shrink,
        torch.randn(3, 4),
        timesteps=torch.tensor([40, 7, 2]),
        callback=lambda step, t, x_0: seen.append((step, t, x_0)),
    )
    assert [(step, t) for step, t, _ in seen] == [(0, 40), (1, 7), (2, 2)]
    assert torch.equal(seen[-1][2], sample)


@pytest.mark.parametrize("eta", [-0.1, 1.5, float("nan")])
def test_eta_out_of_range(eta):
    with pytest.raises(ValueError, match=rf"eta in \[0, 1\], got {eta}"):
        DDIM(CosineSchedule(9), eta=eta)
