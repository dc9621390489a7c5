import copy
import math
from dataclasses import replace

import pytest
import torch

from lrisc_system.config import TINY
from lrisc_system.data.photos import Samples
from lrisc_system.decoders import SynthesisDecoder
from lrisc_system.losses import mean_squared_error
from lrisc_system.system import LRISC
from lrisc_system.training.lrisc import compile_model
from lrisc_system.training.objective import (
    LossTerms,
    TrainingObjective,
    clean_images,
    first_broken,
)
from lrisc_system.training.presets import RECIPES
from lrisc_system.training.setup import freeze_all_but

STAGES = RECIPES["tiny"].stages


@pytest.fixture(scope="module")
def samples():
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return Samples(image=image, saliency=image[:, :1])


@pytest.fixture
def system():
    torch.manual_seed(0)
    return LRISC(copy.deepcopy(TINY)).train()


def objective(system, stage):
    return TrainingObjective(
        system, mean_squared_error, stage=stage, lambda_rate=0.1, lambda_perceptual=0.1
    )


def gradients(system, stage, samples, *, part=0):
    system.zero_grad()
    trained = freeze_all_but(stage, system)
    objective(system, stage)(samples, seed=3, part=part).total.backward()
    return {name: parameter.grad for name, parameter in trained.items() if parameter.numel()}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
@pytest.mark.parametrize("part", [0, 3])
def test_every_trained_parameter_gets_a_gradient(system, samples, stage, part):
    """DDP waits for the gradient of each; rates that no token takes give zeros."""
    found = gradients(system, stage, samples, part=part)
    assert found
    assert [name for name, gradient in found.items() if gradient is None] == []
    frozen = [p for n, p in system.named_parameters() if n not in found]
    assert all(parameter.grad is None for parameter in frozen)


@pytest.mark.parametrize("stage", STAGES[1:], ids=lambda stage: stage.name)
def test_the_seed_decides_everything(system, samples, stage):
    loss = objective(system, stage)
    first, again, other = (loss(samples, seed=seed).total.detach() for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_stage_of_realism_needs_a_decoder_that_takes_it(system):
    system.decoder = SynthesisDecoder(system.decoder.base)
    with pytest.raises(ValueError, match=r"4-realism: .* takes a realism, got SynthesisDecoder"):
        objective(system, STAGES[-1])


def test_a_decoder_is_trained_by_its_estimate(system):
    del system.decoder
    system.decoder = torch.nn.Conv2d(32, 3, 1)
    objective(system, STAGES[0])  # without images, the stage needs none
    message = "1-prior-codec: expected an image decoder with the method estimate, got Conv2d"
    with pytest.raises(ValueError, match=message):
        objective(system, STAGES[1])


def test_the_critic_learns_alone_in_its_warmup(system, samples):
    stage = replace(STAGES[-1], adversarial_warmup=5)
    trained = freeze_all_but(stage, system)
    loss = objective(system, stage)
    early = loss(samples, seed=3, step=4)
    assert early.adversarial == 0
    assert early.critic > 0
    late = loss(samples, seed=3, step=5)
    assert late.adversarial != 0
    late.adversarial.backward(retain_graph=True)
    assert all(parameter.grad is None for parameter in loss.adversary.parameters())
    system.zero_grad()
    late.critic.backward()
    assert all(parameter.grad is not None for parameter in loss.adversary.parameters())
    assert all(parameter.grad is None for parameter in trained.values())


def test_the_perceptual_distance_sees_magnified_parts(system, samples):
    seen = []

    def remember(x, x_hat):
        seen.append(x)
        return x.new_zeros(len(x))

    objective = TrainingObjective(
        system,
        remember,
        stage=STAGES[-1],
        lambda_rate=0.1,
        lambda_perceptual=0.1,
        magnification=2,
    )
    for seed in range(8):
        objective(samples, seed=seed)
    assert {tuple(x.shape) for x in seen} == {tuple(samples.image.shape)}
    steps = [(x[..., 1:] - x[..., :-1]).abs().mean().item() for x in seen]
    assert min(steps) < 0.7 * max(steps)  # what is enlarged twice changes half as fast


def test_clean_images_by_hand():
    # Half of 16, in micro-batches of one: every second image.
    assert [clean_images(0.5, part=part, count=1) for part in range(4)] == [1, 0, 1, 0]
    # An eighth of 8, in one micro-batch, in two of four: one image in all.
    assert clean_images(0.125, part=0, count=8) == 1
    assert [clean_images(0.125, part=part, count=4) for part in range(2)] == [1, 0]
    assert clean_images(0.0, part=5, count=4) == 0
    assert clean_images(1.0, part=5, count=4) == 4


def test_mixed_precision_keeps_the_loss_in_float32(system, samples):
    """And close to what float32 gives: bf16 has 8 bits, 0.4 %."""
    start = objective(system, STAGES[-1])
    exact = start(samples, seed=3)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = start(samples, seed=3)
    for name, term in vars(rounded).items():
        assert term.dtype == torch.float32, name
        assert math.isclose(term.item(), getattr(exact, name).item(), rel_tol=0.05), name
    assert not torch.equal(exact.mse, rounded.mse)


def test_recomputing_gives_the_same_gradients(system, samples):
    for parameter in system.decoder.unet.head.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    kept = gradients(system, STAGES[-2], samples)
    units = [module for module in system.modules() if hasattr(module, "checkpoint_gradients")]
    assert len(units) == 2 * 2 * TINY.diffusion.unet.units  # of two U-Nets
    for unit in units:
        unit.checkpoint_gradients = True
    recomputed = gradients(system, STAGES[-2], samples)
    assert all(torch.equal(kept[name], recomputed[name]) for name in kept)


def test_compiled_parts_give_the_same_loss(system, samples):
    eager = gradients(system, STAGES[1], samples)["g_a.linear.weight"]
    compile_model(system, backend="eager")
    compiled = gradients(system, STAGES[1], samples)["g_a.linear.weight"]
    torch.testing.assert_close(compiled, eager, rtol=1e-4, atol=1e-6)
    assert copy.deepcopy(system).state_dict().keys() == LRISC(TINY).state_dict().keys()


def test_a_broken_term_is_named():
    good, bad = torch.tensor(1.0), torch.tensor(math.nan)
    assert first_broken(LossTerms(*[good] * 6).values()) is None
    assert first_broken(LossTerms(good, good, bad, good, bad, good).values()) == "roi"
