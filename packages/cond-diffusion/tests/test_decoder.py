import dataclasses

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cond_diffusion import DiffusionConfig, DiffusionDecoder, UNetConfig, diffusion_loss

CONFIG = DiffusionConfig(unet=UNetConfig.tiny(), tile_size=64, tile_overlap=16)


class Squares(nn.Module):
    """A base whose picture is the latent's first three channels, each value a 16 x 16 square."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, y_hat):
        return self.gain * y_hat[:, :3].repeat_interleave(16, 2).repeat_interleave(16, 3)


def decoder_with(**changes):
    return DiffusionDecoder(dataclasses.replace(CONFIG, **changes), base=Squares())


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# X_theta before training: the closed form


def test_prediction_by_hand():
    # v = 0.5, abar = 0.5, x_t = 1, base = 0.2: precisions 1 / v = 2 and abar / (1 - abar) = 1,
    # so (2 * 0.2 + 1 * 1 / sqrt(0.5)) / 3 = (0.4 + 1.414214) / 3.
    decoder = decoder_with(base_variance=0.5)
    decoder.schedule.alpha_bar.fill_(0.5)
    x_t, base = torch.ones(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.2)
    x_0 = decoder.predict(x_t, torch.tensor([3]), torch.zeros(1, 8, 1, 1), base=base)
    torch.testing.assert_close(x_0, torch.full_like(x_0, 0.604738))


@pytest.mark.parametrize("t", [0, 100, 4000, 8000, 8192])
def test_prediction_is_the_precision_weighted_mean(t):
    decoder = decoder_with()
    x_t, base = torch.randn(2, 1, 3, 16, 16)
    alpha_bar, v = decoder.schedule.alpha_bar[t].double(), 0.01
    precision = alpha_bar / (1 - alpha_bar) + 1 / v
    expected = (x_t * alpha_bar.sqrt() / (1 - alpha_bar) + base / v) / precision
    x_0 = decoder.predict(x_t, torch.tensor([t]), torch.zeros(1, 8, 1, 1), base=base)
    torch.testing.assert_close(x_0, expected.float(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("alpha_bar", "chosen"), [(0.0, "base"), (1.0, "x_t")])
def test_prediction_at_the_ends(alpha_bar, chosen, awaken):
    decoder = decoder_with()
    decoder.schedule.alpha_bar.fill_(alpha_bar)
    images = {"x_t": torch.rand(1, 3, 16, 16), "base": torch.rand(1, 3, 16, 16)}
    arguments = (images["x_t"], torch.tensor([5]), torch.rand(1, 8, 1, 1))
    x_0 = decoder.predict(*arguments, base=images["base"])
    torch.testing.assert_close(x_0, images[chosen])
    awaken(decoder.unet)  # the branch is silent where x_t is the image itself
    awake = decoder.predict(*arguments, base=images["base"])
    assert torch.allclose(awake, x_0) == (chosen == "x_t")


def test_prediction_error_is_the_posterior_variance():
    # x_0 ~ Normal(b, v): no estimate beats v (1 - abar) / (v abar + 1 - abar), and this has it.
    decoder, v, alpha_bar = decoder_with(base_variance=0.25), 0.25, 0.7
    decoder.schedule.alpha_bar.fill_(alpha_bar)
    base = torch.rand(8, 3, 64, 64)
    x_0 = base + v**0.5 * torch.randn(base.shape, generator=generator())
    noise = torch.randn(base.shape, generator=generator(1))
    t = torch.zeros(8, dtype=torch.long)
    x_t = decoder.schedule.q_sample(x_0, t, noise)
    with torch.no_grad():
        error = decoder.predict(x_t, t, torch.zeros(8, 8, 4, 4), base=base) - x_0
    expected = v * (1 - alpha_bar) / (v * alpha_bar + 1 - alpha_bar)
    assert error.square().mean().item() == pytest.approx(expected, rel=0.02)


# Training


def test_start_share_one_trains_what_one_step_decodes(awaken):
    decoder = decoder_with(start_share=1.0)
    awaken(decoder.unet)
    y_hat, image = torch.rand(2, 8, 2, 3), torch.rand(2, 3, 32, 48)
    estimate = decoder.estimate(image, y_hat)
    assert torch.equal(estimate.weight, torch.ones(2))
    torch.testing.assert_close(
        estimate.image.clamp(0, 1), decoder.decode(y_hat, image_size=(32, 48))
    )


def test_start_share_and_weights_of_the_times():
    decoder = decoder_with(start_share=0.25, min_weight=0.0)
    decoder.schedule.alpha_bar.copy_(torch.linspace(0.9, 0.0, 8193))
    y_hat, image = torch.zeros(400, 8, 1, 1), torch.zeros(400, 3, 16, 16)
    with torch.no_grad():
        weight = decoder.estimate(image, y_hat, generator=generator()).weight
    # A share 0.25 weighs 1; of the uniform rest abar / (1 - abar) >= 5 where abar >= 5 / 6,
    # that is for 0.0667 / 0.9 of the times.
    assert (weight == 1).float().mean().item() == pytest.approx(0.25, abs=0.06)
    assert (weight == 5).float().mean().item() == pytest.approx(0.75 * 0.074, abs=0.03)
    assert weight.max() == 5


def test_weight_floor():
    decoder = decoder_with(start_share=0.0)
    decoder.schedule.alpha_bar.fill_(0.1)
    estimate = decoder.estimate(torch.zeros(2, 3, 16, 16), torch.zeros(2, 8, 1, 1))
    assert torch.equal(estimate.weight, torch.ones(2))


def test_loss_by_hand():
    # Base 0.75 everywhere, image 0.25 everywhere: 1.0 apart on the scale of [-1, 1].
    decoder = decoder_with(start_share=1.0)
    loss = decoder.loss(torch.full((2, 3, 16, 16), 0.25), torch.full((2, 8, 1, 1), 0.75))
    assert loss.item() == pytest.approx(1.0, rel=1e-4)


def test_loss_is_eq_10_of_the_estimate(awaken):
    decoder = decoder_with()
    awaken(decoder.unet)
    image, y_hat = torch.rand(4, 3, 16, 16), torch.rand(4, 8, 1, 1)
    estimate = decoder.estimate(image, y_hat, generator=generator(3))
    expected = diffusion_loss(2 * image - 1, 2 * estimate.image - 1, estimate.weight)
    torch.testing.assert_close(decoder.loss(image, y_hat, generator=generator(3)), expected)


def test_gradients_reach_the_latent_the_base_and_the_network(awaken):
    decoder = decoder_with()
    awaken(decoder.unet)
    y_hat = torch.rand(2, 8, 1, 1, requires_grad=True)
    decoder.loss(torch.rand(2, 3, 16, 16), y_hat, generator=generator()).backward()
    assert (y_hat.grad != 0).all()  # all eight channels: three through the base, all by the U-Net
    assert decoder.base.gain.grad != 0
    assert decoder.unet.stem.weight.grad.any()


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    decoder = decoder_with(start_share=1.0)
    image, y_hat = torch.rand(2, 3, 32, 32), torch.rand(2, 8, 2, 2)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=3e-3)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = decoder.loss(image, y_hat)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_autocast_keeps_schedule_and_loss_in_float32(awaken):
    decoder = decoder_with(start_share=0.0)
    image, y_hat = torch.rand(2, 3, 16, 16), torch.rand(2, 8, 1, 1)
    plain = decoder.estimate(image, y_hat, generator=generator())
    with torch.autocast("cpu", torch.bfloat16):
        cast = decoder.estimate(image, y_hat, generator=generator())
    assert torch.equal(cast.image, plain.image)  # the closed form loses no bit
    assert torch.equal(cast.weight, plain.weight)

    awaken(decoder.unet)
    loss = decoder.loss(image, y_hat, generator=generator())
    with torch.autocast("cpu", torch.bfloat16):
        cast_loss = decoder.loss(image, y_hat, generator=generator())
    assert cast_loss.dtype == torch.float32
    torch.testing.assert_close(cast_loss, loss, rtol=0.05, atol=0)


# Decoding


def test_one_step_before_training_gives_the_base():
    y_hat = torch.rand(2, 8, 2, 3)
    image = decoder_with().decode(y_hat, image_size=(32, 48))
    torch.testing.assert_close(image, Squares()(y_hat).detach(), atol=1e-5, rtol=0)


def test_without_a_base_the_start_is_grey():
    decoder = DiffusionDecoder(CONFIG)
    image = decoder.decode(torch.rand(1, 8, 1, 1), image_size=(16, 16))
    assert torch.equal(image, torch.full((1, 3, 16, 16), 0.5))


def test_many_steps_before_training_sample_the_prior():
    # The flow of Normal(base, v) carries x_T of deviation 0.8 to base + 0.8 sqrt(v) in [-1, 1],
    # half of that in [0, 1]: 0.8 * 0.1 / 2. 129 steps of it fall some 5% short.
    decoder = decoder_with(tile_size=32)
    y_hat = torch.full((1, 8, 2, 2), 0.5)
    image = decoder.decode(y_hat, image_size=(32, 32), generator=generator(), steps=129)
    assert image.mean().item() == pytest.approx(0.5, abs=0.003)
    assert image.std().item() == pytest.approx(0.04, rel=0.08)


@pytest.mark.parametrize("size", [(1, 1), (17, 33), (64, 64), (65, 200)])
@pytest.mark.parametrize("steps", [1, 3])
def test_any_size(size, steps, awaken):
    decoder = decoder_with()
    awaken(decoder.unet)
    y_hat = torch.rand(1, 8, -(-size[0] // 16), -(-size[1] // 16))
    image = decoder.decode(y_hat, image_size=size, steps=steps)
    assert image.shape == (1, 3, *size)
    assert 0 <= image.min() <= image.max() <= 1


def test_latent_beyond_the_image_is_not_used(awaken):
    decoder = decoder_with()
    awaken(decoder.unet)
    y_hat = torch.rand(1, 8, 4, 5)
    image = decoder.decode(y_hat, image_size=(20, 40))
    assert torch.equal(image, decoder.decode(y_hat[:, :, :2, :3], image_size=(20, 40)))


def test_a_generator_reproduces_bit_by_bit(awaken):
    decoder = decoder_with()
    awaken(decoder.unet)
    y_hat = torch.rand(1, 8, 6, 2)

    def decode(seed):
        return decoder.decode(y_hat, image_size=(90, 32), generator=generator(seed), steps=3)

    assert torch.equal(decode(1), decode(1))
    assert not torch.equal(decode(1), decode(2))


class LargestAllocation(TorchDispatchMode):
    """Counts the numbers in the largest tensor that is made anew, the image itself aside."""

    def __init__(self, *, image_shape):
        super().__init__()
        self.image_shape, self.largest = image_shape, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        known = {tensor.untyped_storage().data_ptr() for tensor in tensors_in((args, kwargs))}
        for tensor in tensors_in(result):
            is_view = tensor.untyped_storage().data_ptr() in known
            if not is_view and tensor.shape != self.image_shape:
                self.largest = max(self.largest, tensor.numel())
        return result


def tensors_in(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


@pytest.mark.parametrize("steps", [1, 2])
def test_memory_does_not_grow_with_the_area(steps):
    decoder = decoder_with()
    largest = []
    for rows in (4, 20):
        size = (16 * rows, 16 * rows)
        with LargestAllocation(image_shape=(1, 3, *size)) as allocation:
            decoder.decode(torch.rand(1, 8, rows, rows), image_size=size, steps=steps)
        largest.append(allocation.largest)
    assert largest[0] == largest[1]


# Errors


@pytest.mark.parametrize("size", [(0, 16), (33, 16), (16, 49)])
def test_decode_refuses_sizes(size):
    with pytest.raises(ValueError, match=rf"got {size[0]} x {size[1]}"):
        decoder_with().decode(torch.rand(1, 8, 2, 3), image_size=size)


def test_decode_refuses_steps():
    with pytest.raises(ValueError, match=r"step count in \[1, 8193\], got 0"):
        decoder_with().decode(torch.rand(1, 8, 1, 1), image_size=(16, 16), steps=0)


def test_latent_of_another_width():
    with pytest.raises(ValueError, match=r"expected y_hat \(B, 8, h, w\), got \(1, 4, 1, 1\)"):
        decoder_with().decode(torch.rand(1, 4, 1, 1), image_size=(16, 16))


def test_image_that_does_not_fit_the_latent():
    with pytest.raises(ValueError, match=r"expected image \(1, 3, 16, 16\), got \(1, 3, 32, 16\)"):
        decoder_with().loss(torch.rand(1, 3, 32, 16), torch.rand(1, 8, 1, 1))


def test_base_of_another_size():
    decoder = DiffusionDecoder(CONFIG, base=nn.Identity())
    with pytest.raises(ValueError, match=r"expected the base to give \(1, 3, 16, 16\)"):
        decoder.decode(torch.rand(1, 8, 1, 1), image_size=(16, 16))


def test_latent_scale_is_set_and_checked():
    decoder = decoder_with()
    decoder.set_latent_scale(torch.arange(1.0, 9.0))
    assert torch.equal(decoder.unet.conditioner.latent_scale, torch.arange(1.0, 9.0))
    for scale in (torch.ones(7), torch.zeros(8)):
        with pytest.raises(ValueError, match=r"expected \(8,\) values above 0"):
            decoder.set_latent_scale(scale)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, r"steps in \[1, 8193\], got 0"),
        ({"base_variance": 0.0}, "base_variance above 0, got 0.0"),
        ({"base_variance": float("nan")}, "base_variance above 0, got nan"),
        ({"start_share": 1.5}, r"start_share in \[0, 1\], got 1.5"),
        ({"min_weight": 6.0}, "min_weight <= max_weight, got 6.0, 5.0"),
        ({"tile_overlap": 64}, "tile_overlap < tile_size, got 64 and 64"),
        ({"tile_size": 72}, "multiples of 16, got 72 and 16"),
    ],
)
def test_config_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIG, **change)


def test_the_units_recompute_when_they_are_told_to():
    decoder = decoder_with()
    units = decoder.recomputed_modules()
    assert len(units) == 2 * CONFIG.unet.units
    for enabled in (True, False):
        decoder.recompute_gradients(enabled)
        assert {unit.checkpoint_gradients for unit in units} == {enabled}


def test_compiling_it_compiles_the_unet_alone():
    decoder, names = decoder_with(), decoder_with().state_dict().keys()
    y_hat = torch.zeros(1, 8, 2, 2)
    before = decoder.decode(y_hat, image_size=(32, 32))
    calls = []

    def backend(graph, inputs):
        calls.append(graph)
        return graph.forward

    decoder.compile(backend=backend)
    torch.testing.assert_close(decoder.decode(y_hat, image_size=(32, 32)), before)
    assert calls
    assert decoder.state_dict().keys() == names
