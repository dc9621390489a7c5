"""The arguments of `DiffusionDecoder.decode`."""

import pytest
import torch

from cond_diffusion import (
    DDIM,
    DiffusionConfig,
    DiffusionDecoder,
    TruncatedDDIM,
    UNetConfig,
    ddim_sample,
)
from cond_diffusion.decoding import check_generator

SIZE = (32, 48)
SHAPE = (1, 3, *SIZE)


@pytest.fixture
def decoder(awaken):
    decoder = DiffusionDecoder(DiffusionConfig(unet=UNetConfig.tiny()))
    awaken(decoder.unet)
    return decoder


@pytest.fixture
def y_hat():
    return torch.rand(1, 8, 2, 3, generator=generator(5))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class Recorder:
    """A sampler that keeps what it gets and returns an image of 0.5 on the scale of [-1, 1]."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def __call__(self, predict, x, *, timesteps, generator, callback):
        self.predict, self.x, self.timesteps_given = predict, x, timesteps.tolist()
        self.generator, self.callback = generator, callback
        return torch.full_like(x, 0.5)


# A sampler


def test_a_sampler_gets_all_and_gives_the_image(decoder, y_hat):
    sampler, noise = Recorder(), generator(3)
    image = decoder.decode(
        y_hat, image_size=(20, 40), sampler=sampler, steps=5, generator=noise, callback=print
    )
    assert torch.equal(image, torch.full((1, 3, 20, 40), 0.75))
    assert sampler.timesteps_given == [8192, 6144, 4096, 2048, 0]
    assert (sampler.generator, sampler.callback) == (noise, print)
    assert torch.equal(sampler.x, 0.8 * torch.randn(SHAPE, generator=generator(3)))


def test_a_sampler_predicts_by_the_network_clipped(decoder, y_hat):
    sampler = Recorder()
    decoder.decode(y_hat, image_size=SIZE, sampler=sampler)
    x_t, t = 3 * torch.randn(SHAPE), torch.tensor([100])
    with torch.no_grad():
        x_0 = decoder.predict(x_t, t, y_hat, base=torch.zeros(SHAPE))
        assert x_0.abs().max() > 1
        assert torch.equal(sampler.predict(x_t, t), x_0.clamp(-1, 1))


def test_a_sampler_may_choose_times_and_start(decoder, y_hat):
    def timesteps(count):
        return torch.arange(count).flip(0)

    sampler = Recorder(timesteps=timesteps, start_deviation=0.1)
    arguments = {"image_size": SIZE, "sampler": sampler, "generator": generator(1)}
    decoder.decode(y_hat, **arguments, steps=3)
    assert sampler.timesteps_given == [2, 1, 0]
    assert torch.equal(sampler.x, 0.1 * torch.randn(SHAPE, generator=generator(1)))
    decoder.decode(y_hat, **arguments, timesteps=[9, 4], start=0)
    assert sampler.timesteps_given == [9, 4]
    assert torch.equal(sampler.x, torch.zeros(SHAPE))


def test_what_a_sampler_returns_is_checked(decoder, y_hat):
    def decode(function):
        decoder.decode(y_hat, image_size=SIZE, sampler=function, steps=2)

    with pytest.raises(ValueError, match=r"return \(1, 3, 32, 48\), got \(1, 3, 32, 47\)"):
        decode(lambda predict, x, **rest: x[..., 1:])
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="return finite numbers, got NaN or infinity"):
            decode(lambda predict, x, wrong=wrong, **rest: x.index_fill(3, torch.tensor(0), wrong))
    with pytest.raises(ValueError, match=r"x_t \(1, 3, 32, 48\) to predict from, got \(1, 3, 16"):
        decode(lambda predict, x, **rest: predict(x[:, :, :16], torch.tensor([4])))


def test_truncated_ddim_in_one_step_is_one_step_decoding(decoder, y_hat):
    sampler = TruncatedDDIM(decoder.schedule, gamma=1.0)
    one = decoder.decode(y_hat, image_size=SIZE)
    assert torch.equal(decoder.decode(y_hat, image_size=SIZE, sampler=sampler, steps=1), one)
    four = decoder.decode(y_hat, image_size=SIZE, sampler=sampler, steps=4)
    assert not torch.allclose(four, one, atol=1e-3)


# Times


def test_several_steps_are_ddim_from_noise_of_one_generator(decoder, y_hat):
    noise = 0.8 * torch.randn(SHAPE, generator=generator(2))
    with torch.no_grad():
        expected = ddim_sample(
            lambda x_t, t: decoder.predict(x_t, t, y_hat, base=torch.zeros(SHAPE)),
            noise,
            schedule=decoder.schedule,
            steps=5,
        )
    image = decoder.decode(y_hat, image_size=SIZE, steps=5, generator=generator(2))
    assert torch.equal(image, (expected + 1) / 2)


def test_timesteps_and_sigmas_name_the_same_times(decoder, y_hat):
    times = [8192, 3000, 70]
    arguments = {"image_size": SIZE, "start": torch.randn(SHAPE)}
    by_times = decoder.decode(y_hat, **arguments, timesteps=times)
    sigmas = decoder.schedule.sigma[times]
    for same in ({"timesteps": torch.tensor(times)}, {"sigmas": sigmas}):
        assert torch.equal(decoder.decode(y_hat, **arguments, **same), by_times)
    assert not torch.equal(decoder.decode(y_hat, **arguments, steps=3), by_times)
    sampler = Recorder()
    decoder.decode(y_hat, image_size=SIZE, sampler=sampler, sigmas=[0.3, 0.01])
    torch.testing.assert_close(
        decoder.schedule.sigma[sampler.timesteps_given],
        torch.tensor([0.3, 0.01]),
        rtol=0.02,
        atol=0,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 2, "timesteps": [5]}, "one of steps, timesteps and sigmas, got steps and times"),
        ({"sigmas": [0.3], "timesteps": [5]}, "got timesteps and sigmas"),
        ({"timesteps": []}, "at least one of timesteps, got none"),
        ({"sigmas": []}, "at least one of sigmas, got none"),
        ({"timesteps": [5, 7]}, "falling timesteps, got 5 before 7"),
        ({"timesteps": [8193, 7]}, r"timesteps in \[0, 8192\], got 8193"),
        ({"timesteps": [5, -1]}, r"timesteps in \[0, 8192\], got -1"),
        ({"timesteps": [5.5]}, r"whole timesteps, got torch\.float32"),
        ({"timesteps": [[5]]}, r"list of timesteps, got the shape \(1, 1\)"),
        ({"sigmas": [0.1, 0.2]}, r"falling sigmas, got 0\.1 before 0\.2"),
        ({"sigmas": [1e9]}, r"sigmas in \[0\.002186, 1\.662e\+05\], got 1e\+09"),
        ({"eta": 1.5}, r"eta in \[0, 1\], got 1\.5"),
        ({"eta": 0.5, "sampler": print}, r"a sampler or eta, got both, eta = 0\.5"),
        ({"start": -0.1}, r"deviation of the start of at least 0, got -0\.1"),
        ({"start": float("nan")}, "deviation of the start of at least 0, got nan"),
        ({"start": torch.zeros(1, 3, 32, 32)}, r"start \(1, 3, 32, 48\), got \(1, 3, 32, 32\)"),
        ({"start": torch.full(SHAPE, float("inf"))}, "a start of finite numbers"),
    ],
)
def test_arguments_out_of_range(decoder, y_hat, arguments, message):
    with pytest.raises(ValueError, match=message):
        decoder.decode(y_hat, image_size=SIZE, **arguments)


class ElsewhereGenerator:
    """A generator on a GPU, which a CPU cannot make."""

    device = torch.device("cuda", 1)


def test_a_generator_on_another_device(decoder, y_hat):
    with pytest.raises(ValueError, match="a generator on cpu, got one on cuda:1"):
        decoder.decode(y_hat, image_size=SIZE, generator=ElsewhereGenerator())
    with pytest.raises(ValueError, match="a generator on cuda:0, got one on cuda:1"):
        check_generator(ElsewhereGenerator(), device=torch.device("cuda", 0))
    for same in ("cuda", "cuda:1"):
        check_generator(ElsewhereGenerator(), device=torch.device(same))


# Start


def test_the_start_of_one_and_of_several_predictions(decoder, y_hat):
    arguments = {"image_size": SIZE}
    one = decoder.decode(y_hat, **arguments)
    assert torch.equal(decoder.decode(y_hat, **arguments, start=0.0), one)
    assert torch.equal(decoder.decode(y_hat, **arguments, start=torch.zeros(SHAPE)), one)
    assert not torch.equal(decoder.decode(y_hat, **arguments, start=0.8), one)
    several = decoder.decode(y_hat, **arguments, steps=3, generator=generator())
    noise = 0.8 * torch.randn(SHAPE, generator=generator())
    assert torch.equal(decoder.decode(y_hat, **arguments, steps=3, start=noise), several)
    given = decoder.decode(y_hat, **arguments, steps=3, start=0.8, generator=generator())
    assert torch.equal(given, several)


# Fresh noise, progress


def test_eta_is_that_of_ddim(decoder, y_hat):
    arguments = {"image_size": SIZE, "steps": 3}
    by_eta = decoder.decode(y_hat, **arguments, eta=0.7, generator=generator())
    sampler = DDIM(decoder.schedule, eta=0.7)
    by_sampler = decoder.decode(y_hat, **arguments, sampler=sampler, generator=generator())
    assert torch.equal(by_eta, by_sampler)
    without = decoder.decode(y_hat, **arguments, generator=generator())
    assert not torch.allclose(by_eta, without, atol=1e-3)


@pytest.mark.parametrize(("steps", "times"), [(1, [8192]), (3, [8192, 4096, 0])])
def test_the_callback_sees_every_prediction(decoder, y_hat, steps, times):
    seen = []
    image = decoder.decode(
        y_hat, image_size=SIZE, steps=steps, callback=lambda *shown: seen.append(shown)
    )
    assert [shown[:2] for shown in seen] == list(enumerate(times))
    torch.testing.assert_close((seen[-1][2] + 1) / 2, image, atol=1e-6, rtol=0)
