import copy
import random
import subprocess
import sys

import pytest
import torch

from entropy_hyperprior import Hyperprior, HyperpriorConfig, bits, gaussian_uniform_likelihood, rans
from entropy_hyperprior.hyperprior import LOG_RATIO_LIMIT, add_noise

CONFIG = HyperpriorConfig(latent_channels=8, hyper_channels=4)


def latent(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def trained(*, spread: float = 2.0) -> Hyperprior:
    """A hyperprior whose last layers are not at their start, so that z says something."""
    torch.manual_seed(0)
    model = Hyperprior(HyperpriorConfig(8, 4, initial_spread=spread))
    torch.nn.init.normal_(model.h_s.layers[-1].weight, std=0.5)
    with torch.no_grad():
        model.h_a.layers[-1].weight.mul_(100.0)
    model.update()
    return model.eval()


def test_at_the_start_the_prior_is_the_channel_scale() -> None:
    model = Hyperprior(CONFIG)
    model.channel_scale.copy_(torch.arange(1.0, 9.0))
    y = latent(2, 8, 5, 6)
    out = model(y)
    assert out.mean.abs().max() == 0.0
    expected = torch.arange(1.0, 9.0)[:, None, None].expand(2, 8, 5, 6)
    torch.testing.assert_close(out.scale, expected)


def test_token_bits_by_hand() -> None:
    # y = 0 under Normal(0, 1): -log2(2 Phi(0.5) - 1) = 1.3849 bits, eight channels
    out = Hyperprior(CONFIG).eval()(torch.zeros(1, 8, 2, 2))
    torch.testing.assert_close(
        out.token_bits, torch.full((1, 2, 2), 8 * 1.38487), rtol=1e-4, atol=0
    )


def test_z_starts_cheap() -> None:
    # 256 x 256 pixels with the sizes of a small model: 48 x 4 x 4 elements of 0.0194 bits
    model = Hyperprior(HyperpriorConfig(latent_channels=32, hyper_channels=48)).eval()
    side_bits = model(0.1 * latent(2, 32, 16, 16)).side_bits
    torch.testing.assert_close(side_bits, torch.full((2,), 768 * 0.01944), rtol=1e-2, atol=0)


def test_evaluation_keeps_y_and_uses_its_own_prior() -> None:
    model, y = trained(), latent(2, 8, 5, 6)
    out = model(y)
    assert torch.equal(out.y_tilde, y)
    assert out.mean.abs().max() > 0.1
    expected = bits(gaussian_uniform_likelihood(y, out.mean, out.scale)).sum(dim=1)
    torch.testing.assert_close(out.token_bits, expected)
    assert out.token_bits.shape == (2, 5, 6)
    assert out.side_bits.shape == (2,)
    assert out.z_hat.shape == (2, 4, 2, 2)


def test_training_noise_is_uniform_and_repeatable() -> None:
    model, y = Hyperprior(CONFIG), latent(2, 8, 8, 8)
    first, second, other = (
        model(y, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first.y_tilde, second.y_tilde)
    assert torch.equal(first.side_bits, second.side_bits)
    assert not torch.equal(first.y_tilde, other.y_tilde)
    assert (first.y_tilde - y).abs().max() <= 0.5


def test_noise_has_the_variance_of_rounding() -> None:
    noise = add_noise(torch.zeros(100_000), generator=torch.Generator().manual_seed(0))
    assert noise.var().item() == pytest.approx(1 / 12, rel=0.02)


def test_an_image_does_not_depend_on_its_neighbours() -> None:
    model, y = trained(), latent(3, 8, 6, 5)
    batch, alone = model(y), model(y[1:2])
    assert torch.equal(batch.mean[1:2], alone.mean)
    assert torch.equal(batch.token_bits[1:2], alone.token_bits)
    assert model.compress(y)[1] == model.compress(y[1:2])[0]


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 7)])
def test_the_receiver_sees_the_same_prior_bit_for_bit(size: tuple[int, int]) -> None:
    model, y = trained(), latent(3, 8, *size)
    out = model(y)
    for order in ([0, 1, 2], [2], [1, 0]):
        strings = model.compress(y)
        prior = model.decompress([strings[i] for i in order], latent_size=size)
        assert torch.equal(prior.mean, out.mean[order])
        assert torch.equal(prior.scale, out.scale[order])


def test_without_z_the_prior_is_that_of_its_medians() -> None:
    model = Hyperprior(HyperpriorConfig(latent_channels=8, hyper_channels=4)).eval()
    torch.nn.init.normal_(model.bottleneck.quantiles.data[:, :, 1])
    model.bottleneck.update(force=True)
    prior = model.likeliest_prior(latent_size=(7, 10))
    assert prior.mean.shape == prior.scale.shape == (1, 8, 7, 10)
    zeros = [[0] * (2 * 3)] * 4  # an integer of zero codes the median
    string = model.bottleneck.compress(model.bottleneck.medians.expand(1, -1, 2, 3))[0]
    assert (
        rans.decode(
            string,
            cdfs=[
                table[:length]
                for table, length in zip(
                    model.bottleneck._quantized_cdf.tolist(),
                    model.bottleneck._cdf_length.tolist(),
                    strict=True,
                )
            ],
            offsets=model.bottleneck._offset.tolist(),
            count=6,
        )
        == zeros
    )
    coded = model.decompress([string], latent_size=(7, 10))
    assert torch.equal(coded.mean, prior.mean)
    assert torch.equal(coded.scale, prior.scale)


@pytest.mark.parametrize("spread", [0.3, 2.0, 8.0])
def test_real_length_matches_the_estimate(spread: float) -> None:
    # z drawn from the prior itself, as training makes it
    model = trained(spread=spread)
    uniform = torch.rand(1, 4, 40, 50, generator=torch.Generator().manual_seed(0))
    z = model.bottleneck.round(spread * torch.logit(uniform))
    estimate = bits(model.bottleneck.likelihood(z)).sum().item() / 8
    (string,) = model.bottleneck.compress(z)
    assert abs(len(string) - estimate) <= 0.03 * estimate + 16


def test_length_of_a_whole_latent_matches_side_bits() -> None:
    model, y = trained(spread=4.0), latent(4, 8, 64, 64)
    for string, side_bits in zip(model.compress(y), model(y).side_bits.tolist(), strict=True):
        assert abs(len(string) - side_bits / 8) <= 0.03 * side_bits / 8 + 16


def test_damaged_strings_raise_or_return() -> None:
    model, source = trained(), random.Random(0)
    (string,) = model.compress(latent(1, 8, 16, 16))
    for length in range(len(string)):
        with pytest.raises(ValueError, match="damaged string"):
            model.decompress([string[:length]], latent_size=(16, 16))
    for _ in range(200):
        damaged = source.randbytes(len(string))
        with pytest.raises(ValueError, match="damaged string"):
            model.decompress([damaged], latent_size=(16, 16))


def test_a_string_of_another_size_raises() -> None:
    model = trained()
    strings = model.compress(latent(1, 8, 16, 16))
    with pytest.raises(ValueError, match="damaged string"):
        model.decompress(strings, latent_size=(32, 32))
    with pytest.raises(ValueError, match="at least \\(1, 1\\), got \\(0, 4\\)"):
        model.decompress(strings, latent_size=(0, 4))
    with pytest.raises(ValueError, match="at least one string"):
        model.decompress([], latent_size=(4, 4))


def test_extreme_latents_are_coded_too() -> None:
    model, y = trained(), 1e30 * latent(1, 8, 4, 4)
    prior = model.decompress(model.compress(y), latent_size=(4, 4))
    assert torch.equal(prior.mean, model(y).mean)
    with pytest.raises(ValueError, match="finite latents"):
        model.compress(y * float("nan"))


def test_coding_before_update_says_so() -> None:
    model = Hyperprior(CONFIG)
    with pytest.raises(RuntimeError, match=r"call update\(\) first"):
        model.compress(latent(1, 8, 4, 4))
    with pytest.raises(RuntimeError, match=r"call update\(\) first"):
        model.decompress([b""], latent_size=(4, 4))


def test_update_refuses_a_broken_prior() -> None:
    model = Hyperprior(CONFIG)
    torch.nn.init.constant_(model.bottleneck.biases[0], float("nan"))
    with pytest.raises(ValueError, match="got inf or nan"):
        model.update()


def test_a_checkpoint_carries_the_tables() -> None:
    model, y = trained(), latent(1, 8, 5, 6)
    fresh = Hyperprior(HyperpriorConfig(8, 4)).eval()
    fresh.load_state_dict(model.state_dict())
    assert fresh.compress(y) == model.compress(y)
    assert copy.deepcopy(fresh).compress(y) == model.compress(y)


def test_update_brings_the_auxiliary_loss_to_its_minimum() -> None:
    model = Hyperprior(CONFIG)
    before = model.auxiliary_loss().item()
    model.update()
    assert model.auxiliary_loss().item() < 0.02 * before


def test_shapes_and_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"expected \(B, 8, h, w\), got \(1, 7, 4, 4\)"):
        Hyperprior(CONFIG)(latent(1, 7, 4, 4))
    with pytest.raises(ValueError, match="hyper_channels >= 4, got 3"):
        HyperpriorConfig(8, 3)
    with pytest.raises(ValueError, match="initial_spread > 0, got 0"):
        HyperpriorConfig(8, 4, initial_spread=0.0)


def test_scale_stays_within_its_limits() -> None:
    model = trained()
    torch.nn.init.constant_(model.h_s.layers[-1].bias, 1e6)
    limit = torch.tensor(LOG_RATIO_LIMIT).exp()
    torch.testing.assert_close(model(latent(1, 8, 4, 4)).scale, limit.expand(1, 8, 4, 4))
    torch.nn.init.constant_(model.h_s.layers[-1].bias, -1e6)
    torch.testing.assert_close(
        model(latent(1, 8, 4, 4)).scale, torch.full((1, 8, 4, 4), 0.11), rtol=1e-6, atol=0
    )


def test_the_rate_teaches_the_latent_and_the_hyperprior() -> None:
    model, y = trained().train(), latent(2, 8, 8, 8).requires_grad_()
    out = model(y, generator=torch.Generator().manual_seed(0))
    (out.token_bits.sum() + out.side_bits.sum() + model.auxiliary_loss()).backward()
    assert y.grad is not None
    assert y.grad.abs().sum() > 0
    dead = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_learns_the_scale_of_its_data() -> None:
    # A Gaussian of scale 8 costs log2(8 sqrt(2 pi e)) = 5.047 bits at best (Cover and Thomas,
    # differential entropy); the start, scale 1, pays far more.
    model = Hyperprior(CONFIG)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        y = 8 * torch.randn(4, 8, 8, 8, generator=generator)
        bits_per_element = model(y, generator=generator).token_bits.mean() / 8
        optimizer.zero_grad()
        bits_per_element.backward()
        optimizer.step()
    assert bits_per_element.item() == pytest.approx(5.047, abs=0.15)


def test_bfloat16_autocast_leaves_the_bits_alone() -> None:
    model, y = trained(), latent(1, 8, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(y)
    assert torch.equal(out.token_bits, model(y).token_bits)


def test_compressai_is_imported_by_the_first_hyperprior_not_before() -> None:
    code = (
        "import sys, entropy_hyperprior as e; print('compressai' in sys.modules); "
        "e.Hyperprior(e.HyperpriorConfig(8, 8)); print('compressai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("_quantized_cdf", lambda table: table[:, :2], "3 to 65537 numbers, got 2"),
        ("_quantized_cdf", lambda table: table * 0, "rise from 0 to 65536"),
        ("_cdf_length", lambda lengths: lengths + 10**6, "lengths of coding tables"),
        ("_offset", lambda offsets: offsets[:1], "coding tables of 4 channels"),
    ],
)
def test_tables_are_checked_before_the_coder_reads_them(name, change, message) -> None:
    model, y = trained(), latent(1, 8, 4, 4)
    strings = model.compress(y)
    state = model.state_dict()
    state[f"bottleneck.{name}"] = change(state[f"bottleneck.{name}"])
    model.load_state_dict(state)
    for use in (
        lambda: model.compress(y),
        lambda: model.decompress(strings, latent_size=(4, 4)),
        lambda: model.check_strings(strings, latent_size=(4, 4)),
    ):
        with pytest.raises(ValueError, match=message):
            use()


def test_precisions() -> None:
    model, y = trained(), latent(1, 8, 5, 6)
    double = copy.deepcopy(model).double()
    out = double(y)
    assert out.token_bits.dtype == torch.float64
    torch.testing.assert_close(out.token_bits.float(), model(y).token_bits, rtol=1e-4, atol=1e-3)
    strings = model.compress(y)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        other = copy.deepcopy(model).to(dtype)
        for use in (
            lambda other=other: other.compress(y),
            lambda other=other: other.decompress(strings, latent_size=(5, 6)),
            other.update,
        ):
            with pytest.raises(
                ValueError, match=f"expected a hyperprior in torch.float32, got {dtype}"
            ):
                use()
    with pytest.raises(ValueError, match=r"torch\.float32, torch\.float64, got torch\.float16"):
        copy.deepcopy(model).half()(y)
