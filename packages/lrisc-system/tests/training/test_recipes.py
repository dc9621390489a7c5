import pytest

from lrisc_system.config import TINY, preset
from lrisc_system.system import LRISC
from lrisc_system.training.recipes import (
    ADAPTERS,
    PAPER_STAGES,
    RECIPES,
    SMALL_STAGES,
    Stage,
    describe_recipes,
    narrow,
    recipe,
)


@pytest.fixture(scope="module")
def system():
    return LRISC(TINY)


def trained(stage, system):
    return {name.split(".")[0] for name, _ in stage.parameters(system)}


def learned(system):
    """Every parameter but the quantiles of z's prior, which are computed from it."""
    return {name for name, _ in system.named_parameters() if not name.endswith(".quantiles")}


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_model_is_trained_for_what_it_does_by_default(name):
    config, last = preset(name), recipe(name).stages[-1]
    for default, (low, high) in ((config.alpha, last.alpha), (config.eta, last.eta)):
        assert low <= default <= high


def test_algorithm_1(system):
    prior, codec, adapter, whole = PAPER_STAGES
    assert trained(prior, system) == {"g_a", "hyperprior", "decoder"}
    assert prior.clean_share == 1  # no channel
    assert trained(codec, system) == {"jscc_encoder", "jscc_decoder"}
    assert codec.snr_db == (10.0, 10.0)
    assert not any(name.startswith(ADAPTERS) for name, _ in codec.parameters(system))
    assert any(name.startswith(ADAPTERS) for name, _ in adapter.parameters(system))
    assert adapter.snr_db[0] < adapter.snr_db[1]
    assert {name for name, _ in whole.parameters(system)} == learned(system)
    assert whole.final_learning_rate < whole.learning_rate
    assert all(stage.batch_size == 16 and stage.crop == 256 for stage in PAPER_STAGES)
    assert whole.steps * 16 == 20 * 50_000  # 20 epochs of 50,000 images


def test_every_parameter_is_trained_before_the_last_stage(system):
    names = {name for stage in SMALL_STAGES[:-1] for name, _ in stage.parameters(system)}
    assert names == learned(system)


def test_every_preset_has_a_recipe():
    assert set(RECIPES) == {"paper", "base", "small", "tiny"}


def test_a_recipe_is_looked_up_by_name():
    assert recipe("tiny") is RECIPES["tiny"]
    with pytest.raises(ValueError, match=r"expected a preset of .*, got 'huge'"):
        recipe("huge")


def test_stages_are_narrowed_to_parts():
    (early, late) = narrow(
        [
            Stage("a", trainable=("g_a", "decoder")),
            Stage("b", trainable=("jscc_encoder",)),
            Stage("c", trainable=("",), frozen=("decoder.base",)),
        ],
        ("decoder.unet",),
    )
    assert (early.name, late.name) == ("a", "c")
    assert early.trainable == late.trainable == ("decoder.unet",)
    assert late.frozen == ("decoder.base",)
    assert list(narrow(SMALL_STAGES, ("",))) == list(SMALL_STAGES)


def test_the_help_lists_every_stage():
    text = describe_recipes(RECIPES, options="--model lrisc")
    assert "Stages of --model lrisc --preset tiny:" in text
    assert text.count("  3-end-to-end: ") == len(RECIPES)
    assert "3-end-to-end: 62500 steps of 16 crops of 256, 0 to 20 dB" in text
    assert "learning rate 0.0001 to 1e-06" in text
