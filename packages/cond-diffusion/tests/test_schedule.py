import math

import pytest
import torch

from cond_diffusion import CosineSchedule


def test_alpha_bar_follows_the_cosine():
    # Nichol and Dhariwal (2021), Eq. (17): f(u) = cos((u + 0.008) / 1.008 * pi / 2)^2, f / f(0).
    # Index t has seen t + 1 steps, so with 8 steps alpha_bar[3] is f(1/2) / f(0).
    f_half = math.cos(0.508 / 1.008 * math.pi / 2) ** 2
    f_zero = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert CosineSchedule(8).alpha_bar[3].item() == pytest.approx(f_half / f_zero, rel=1e-6)


def test_last_beta_is_capped():
    # f(1) = cos(pi / 2)^2 = 0 would make the last beta 1.
    schedule = CosineSchedule()
    assert schedule.beta[-1].item() == pytest.approx(0.999)
    assert (schedule.beta > 0).all()
    assert (schedule.alpha_bar.diff() < 0).all()
    assert schedule.alpha_bar[-1] > 0


def test_q_sample_composes_the_steps_of_eq_8():
    # x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) e_t run three times by hand: the mean shrinks
    # by prod sqrt(1 - beta), the variance follows s <- (1 - beta) s + beta.
    schedule = CosineSchedule(10)
    mean, variance = 1.0, 0.0
    for beta in schedule.beta[:3].tolist():
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
    t = torch.tensor([2])
    signal = schedule.q_sample(torch.ones(1, 1), t, torch.zeros(1, 1))
    noise = schedule.q_sample(torch.zeros(1, 1), t, torch.ones(1, 1))
    assert signal.item() == pytest.approx(mean, rel=1e-6)
    assert noise.item() ** 2 == pytest.approx(variance, rel=1e-6)


def test_q_sample_keeps_samples_apart():
    schedule = CosineSchedule(100)
    x_0, noise = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    both = schedule.q_sample(x_0, torch.tensor([3, 90]), noise)
    alone = schedule.q_sample(x_0[1:], torch.tensor([90]), noise[1:])
    assert torch.equal(both[1:], alone)


@pytest.mark.parametrize(("count", "stride"), [(17, 512), (65, 128), (129, 64)])
def test_timesteps_of_cdc_stride_evenly(count, stride):
    times = CosineSchedule().timesteps(count)
    assert times[0] == 8192
    assert times[-1] == 0
    assert (times.diff() == -stride).all()


def test_one_timestep_is_the_last():
    assert CosineSchedule(100).timesteps(1).tolist() == [99]


def test_all_timesteps():
    assert CosineSchedule(7).timesteps(7).tolist() == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("count", [0, 11])
def test_timesteps_out_of_range(count):
    with pytest.raises(ValueError, match=rf"step count in \[1, 10\], got {count}"):
        CosineSchedule(10).timesteps(count)


def test_too_few_steps():
    with pytest.raises(ValueError, match="at least 2 steps, got 1"):
        CosineSchedule(1)


# Noise levels


def test_sigma_by_hand():
    # abar = 1 / (1 + sigma^2).
    schedule = CosineSchedule(100)
    torch.testing.assert_close(schedule.alpha_bar, 1 / (1 + schedule.sigma**2))


def test_nearest_times_are_nearest_in_ratio():
    schedule = CosineSchedule(4)
    schedule.sigma.copy_(torch.tensor([0.1, 1.0, 4.0, 100.0]))
    # 1.9 is below sqrt(1 * 4) and 21 above sqrt(4 * 100) = 20.
    assert schedule.nearest_timesteps(torch.tensor([21.0, 2.1, 1.9, 0.1])).tolist() == [3, 2, 1, 0]
    own = schedule.sigma.flip(0)
    assert schedule.nearest_timesteps(own).tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("sigmas", "message"),
    [
        ([0.1, 0.3], r"expected falling sigmas, got 0\.1 before 0\.3"),
        ([0.4, 0.3, 0.3], r"expected falling sigmas, got 0\.3 before 0\.3"),
        ([0.3, float("nan")], r"expected falling sigmas, got 0\.3 before nan"),
        ([[0.3, 0.1]], r"expected a list of sigmas, got the shape \(1, 2\)"),
        ([float("nan")], r"expected sigmas in \[0\.002186, 1\.662e\+05\], got nan"),
        ([0.3, 0.001], r"expected sigmas in \[0\.002186, 1\.662e\+05\], got 0\.001"),
        ([1e6, 0.3], r"expected sigmas in .*, got 1e\+06"),
        ([0.30001, 0.3], r"different times, got 0\.3 and 0\.3 at the same, \d+"),
    ],
)
def test_sigmas_out_of_range(sigmas, message):
    with pytest.raises(ValueError, match=message):
        CosineSchedule().nearest_timesteps(torch.tensor(sigmas))
