import pytest
import torch

from cond_diffusion import DDIM, CosineSchedule, TruncatedDDIM


@pytest.fixture
def schedule():
    """T = 9 with abar = 0.64 and sigma = 0.75 at time 4, abar = 0.96 at time 1."""
    schedule = CosineSchedule(9)
    schedule.alpha_bar[4], schedule.sigma[4], schedule.alpha_bar[1] = 0.64, 0.75, 0.96
    return schedule


def recorder(seen):
    def predict(x_t, t):
        seen.append((x_t, t.tolist()))
        return torch.full_like(x_t, 0.5)

    return predict


def test_start_by_hand(schedule):
    # sqrt(0.64) (x_1 + gamma sigma noise) = 0.8 (0.5 + 0.4 * 0.75 noise) = 0.4 + 0.24 noise.
    seen, x = [], torch.zeros(2, 1)
    generator = torch.Generator().manual_seed(0)
    sampler = TruncatedDDIM(schedule, gamma=0.4)
    sampler(recorder(seen), x, timesteps=torch.tensor([4, 1]), generator=generator)
    assert [t for _, t in seen] == [[8, 8], [4, 4], [1, 1]]
    assert torch.equal(seen[0][0], x)
    noise = torch.randn(2, 1, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(seen[1][0], 0.4 + 0.24 * noise)
    # Eq. (11) from there: the implied noise is 0.24 / 0.6 of what was drawn.
    torch.testing.assert_close(seen[2][0], 0.96**0.5 * 0.5 + 0.04**0.5 * 0.4 * noise)


def test_without_noise_it_is_ddim_from_the_first_prediction(schedule):
    def predict(x_t, t):
        return (0.7 * x_t + 0.1).clamp(-1, 1)

    times, generator = torch.tensor([4, 1]), torch.Generator().manual_seed(0)
    sample = TruncatedDDIM(schedule)(
        predict, torch.zeros(2, 1), timesteps=times, generator=generator
    )
    start = 0.8 * torch.full((2, 1), 0.1)
    torch.testing.assert_close(sample, DDIM(schedule)(predict, start, timesteps=times))
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(0).get_state())


def test_no_more_times_give_the_first_prediction(schedule):
    seen, steps = [], []
    sampler = TruncatedDDIM(schedule, gamma=1.0)
    none = torch.tensor([], dtype=torch.long)
    sample = sampler(recorder(seen), torch.zeros(2, 1), timesteps=none)
    assert torch.equal(sample, torch.full((2, 1), 0.5))
    sampler(
        recorder(seen),
        torch.zeros(2, 1),
        timesteps=torch.tensor([4, 1]),
        callback=lambda step, t, x_0: steps.append((step, t, x_0.shape)),
    )
    assert steps == [(0, 8, (2, 1)), (1, 4, (2, 1)), (2, 1, (2, 1))]


def test_times_by_hand():
    # K = 3: 0.3, sqrt(0.3 * 0.01) = 0.0548 and 0.01; near 0.01 the times are 3% apart.
    schedule = CosineSchedule()
    times = TruncatedDDIM(schedule).timesteps(4)
    expected = torch.tensor([0.3, 0.0548, 0.01])
    torch.testing.assert_close(schedule.sigma[times], expected, rtol=0.016, atol=0)
    assert TruncatedDDIM(schedule).timesteps(1).tolist() == []
    assert len(TruncatedDDIM(schedule, sigma_max=0.5, sigma_min=0.1).timesteps(9)) == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": -0.1}, r"gamma in \[0, 1\], got -0.1"),
        ({"gamma": 1.1}, r"gamma in \[0, 1\], got 1.1"),
        ({"gamma": float("nan")}, r"gamma in \[0, 1\], got nan"),
        ({"sigma_min": 0.3}, "0 < sigma_min < sigma_max, got 0.3 and 0.3"),
        ({"sigma_min": 0.0}, "0 < sigma_min < sigma_max, got 0.0 and 0.3"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        TruncatedDDIM(CosineSchedule(9), **settings)


def test_counts_out_of_range():
    with pytest.raises(ValueError, match="step count of at least 1, got 0"):
        TruncatedDDIM(CosineSchedule()).timesteps(0)
    with pytest.raises(ValueError, match="expected sigmas at different times"):
        TruncatedDDIM(CosineSchedule()).timesteps(800)
