import math
import sys

import pytest
import torch

from cond_diffusion import DDIM, CosineSchedule, DiffusersSampler

diffusers = pytest.importorskip("diffusers", reason="needs diffusers: pip install diffusers")

SCHEDULE = CosineSchedule(1025)  # 1024 / 8 is a whole number
TYPES = ("sample", "epsilon", "v_prediction")
ANCESTRAL = "EulerAncestralDiscreteScheduler"


def sampler_of(name, kind="sample", **settings):
    return DiffusersSampler(SCHEDULE, getattr(diffusers, name)(prediction_type=kind, **settings))


def sample(sampler, predict, x, *, steps=8, timesteps=None, seed=0, callback=None):
    return sampler(
        predict,
        x,
        timesteps=sampler.timesteps(steps) if timesteps is None else timesteps,
        generator=torch.Generator().manual_seed(seed),
        callback=callback,
    )


def gaussian(variance):
    """The best prediction for x_0 ~ Normal(0, variance)."""

    def predict(x_t, t):
        alpha_bar = SCHEDULE.alpha_bar[t].view(-1, 1, 1, 1)
        return alpha_bar.sqrt() * variance * x_t / (alpha_bar * variance + 1 - alpha_bar)

    return predict


START = torch.tensor([1.0, -2.0, 0.5]).view(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("DPMSolverMultistepScheduler", TYPES),
        ("DPMSolverSinglestepScheduler", TYPES),
        ("UniPCMultistepScheduler", TYPES),
        (ANCESTRAL, TYPES[1:]),
        ("EulerDiscreteScheduler", TYPES),
        ("LMSDiscreteScheduler", TYPES),
        ("HeunDiscreteScheduler", TYPES[1:]),
        ("LCMScheduler", TYPES),
        ("DDIMScheduler", TYPES),
        ("DDPMScheduler", TYPES),
    ],
)
def test_prediction_types_agree_and_an_oracle_gives_its_image(name, kinds):
    image = torch.rand(1, 3, 4, 4) * 2 - 1
    samples = []
    for kind in kinds:
        sampler = sampler_of(name, kind)
        oracle = sample(sampler, lambda x_t, t: image, torch.randn(1, 3, 4, 4))
        torch.testing.assert_close(oracle, image, atol=1e-4, rtol=0)
        samples.append(sample(sampler, gaussian(0.04), START))
    for other in samples[1:]:
        torch.testing.assert_close(other, samples[0], atol=1e-4, rtol=1e-4)


def test_a_solver_of_first_order_is_ddim():
    # DPM-Solver of order 1 is DDIM (Lu et al., 2022); both end with a prediction at the last time.
    sampler = sampler_of("DPMSolverMultistepScheduler", solver_order=1)
    times = sampler.timesteps(8)
    ours = DDIM(SCHEDULE)(gaussian(0.04), START, timesteps=times)
    torch.testing.assert_close(sample(sampler, gaussian(0.04), START), ours, atol=1e-5, rtol=0)


def test_a_solver_of_second_order_needs_fewer_steps():
    # The flow scales x_T by sqrt(variance) = 0.2.
    sampler, exact = sampler_of("DPMSolverMultistepScheduler"), 0.2 * START
    ours = DDIM(SCHEDULE)(gaussian(0.04), START, timesteps=sampler.timesteps(33))
    error = (sample(sampler, gaussian(0.04), START, steps=33) - exact).abs().max()
    assert error < 0.5 * (ours - exact).abs().max()


def test_an_ancestral_step_by_hand():
    # In units of sigma the second sample is x_0 + sigma_down noise + sigma_up fresh,
    # sigma_up^2 = s'^2 (s^2 - s'^2) / s^2, sigma_down^2 = s'^2 - sigma_up^2, and the network sees
    # it over sqrt(1 + s'^2).
    seen, sampler = [], sampler_of(ANCESTRAL, "v_prediction", timestep_spacing="trailing")
    times = sampler.timesteps(4)
    s, s_next = SCHEDULE.sigma[times[:2].long()].tolist()
    x = torch.randn(1, 3, 2, 2)

    def predict(x_t, t):
        seen.append((x_t, t))
        return torch.full_like(x_t, 0.5)

    sample(sampler, predict, x, steps=4)
    first, second = seen[:2]
    torch.testing.assert_close(first[0], x)
    assert first[1].tolist() == [1024]
    up = math.sqrt(s_next**2 * (s**2 - s_next**2) / s**2)
    down = math.sqrt(s_next**2 - up**2)
    fresh = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    noise = (x * math.sqrt(1 + s**2) - 0.5) / s
    expected = (0.5 + down * noise + up * fresh) / math.sqrt(1 + s_next**2)
    torch.testing.assert_close(second[0], expected, atol=2e-3, rtol=0)


def test_a_consistency_step_by_hand():
    # LCM adds fresh noise to the prediction alone: sqrt(abar') x_0 + sqrt(1 - abar') noise.
    seen, sampler = [], sampler_of("LCMScheduler")

    def predict(x_t, t):
        seen.append((x_t, t))
        return torch.full_like(x_t, 0.5)

    sample(sampler, predict, START, steps=2)
    alpha_bar = SCHEDULE.alpha_bar[seen[1][1]]
    fresh = torch.randn(START.shape, generator=torch.Generator().manual_seed(0))
    expected = alpha_bar.sqrt() * 0.5 + (1 - alpha_bar).sqrt() * fresh
    torch.testing.assert_close(seen[1][0], expected, atol=1e-4, rtol=0)


def test_the_network_gets_whole_times_and_the_callback_too():
    seen, sampler = [], sampler_of("EulerDiscreteScheduler")
    sample(
        sampler,
        lambda x_t, t: seen.append(t.tolist()) or x_t.clamp(-1, 1),
        torch.randn(2, 3, 1, 1),
        steps=4,  # 1024, 682.67, 341.33, 0
        callback=lambda step, t, x_0: seen.append((step, t)),
    )
    expected = [1024, 683, 341, 0]
    assert seen[::2] == [[t, t] for t in expected]
    assert seen[1::2] == list(enumerate(expected))


def test_times_of_the_caller():
    times = torch.tensor([1000, 300, 20])
    sampler = sampler_of("DPMSolverMultistepScheduler", solver_order=1)
    ours = DDIM(SCHEDULE)(gaussian(0.04), START, timesteps=times)
    theirs = sample(sampler, gaussian(0.04), START, timesteps=times)
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match=rf"times that {ANCESTRAL} chooses .*got \[1000, 300, 20"):
        sample(sampler_of(ANCESTRAL, "epsilon"), gaussian(0.04), START, timesteps=times)


def test_the_scheduler_of_the_user_is_not_changed():
    scheduler = diffusers.DPMSolverMultistepScheduler(prediction_type="sample")
    scheduler.set_timesteps(5)
    before = scheduler.timesteps.clone()
    sampler = DiffusersSampler(SCHEDULE, scheduler)
    first, again = (sample(sampler, gaussian(0.04), START) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(scheduler.timesteps, before)
    assert scheduler.config.num_train_timesteps == 1000


def test_the_seed_decides():
    sampler = sampler_of(ANCESTRAL, "v_prediction")
    one, same, other = (sample(sampler, gaussian(0.04), START, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_schedulers_that_cannot_be_used():
    with pytest.raises(ValueError, match="FlowMatchEulerDiscreteScheduler without alphas_cumprod"):
        DiffusersSampler(SCHEDULE, diffusers.FlowMatchEulerDiscreteScheduler())
    with pytest.raises(ValueError, match="got str without config"):
        DiffusersSampler(SCHEDULE, "EulerDiscreteScheduler")
    with pytest.raises(ValueError, match=r"prediction_type of .*, got 'flow_prediction'"):
        sampler_of("DPMSolverMultistepScheduler", "flow_prediction")
    with pytest.raises(ValueError, match=rf"for {ANCESTRAL}, such as 'v_prediction', got 'sample'"):
        sample(sampler_of(ANCESTRAL, "sample"), gaussian(0.04), START)
    with pytest.raises(ValueError, match="step count of at least 1, got 0"):
        sampler_of("DDIMScheduler").timesteps(0)


def test_the_package_does_not_need_it(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "cond_diffusion"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    import cond_diffusion

    assert cond_diffusion.DiffusersSampler is not DiffusersSampler  # imported anew
