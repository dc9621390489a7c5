import pytest

from lrisc_system.config import PRESETS, TINY, preset
from lrisc_system.system import LRISC
from lrisc_system.training.presets import ADAPTERS, PAPER_STAGES, RECIPES, SMALL_STAGES
from lrisc_system.training.recipes import NATURAL


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
    config, last = preset(name), RECIPES[name].stages[-1]
    for default, (low, high) in ((config.alpha, last.alpha), (config.eta, last.eta)):
        assert low <= default <= high


def faithful(names):
    """Leave out the second U-Net, which only a stage of realism trains."""
    return {name for name in names if not name.startswith(NATURAL)}


def test_algorithm_1(system):
    prior, codec, adapter, whole = PAPER_STAGES
    assert trained(prior, system) == {"g_a", "hyperprior", "decoder"}
    assert prior.clean_share == 1  # no channel
    assert trained(codec, system) == {"jscc_encoder", "jscc_decoder"}
    assert codec.snr_db == (10.0, 10.0)
    assert not any(name.startswith(ADAPTERS) for name, _ in codec.parameters(system))
    assert any(name.startswith(ADAPTERS) for name, _ in adapter.parameters(system))
    assert adapter.snr_db[0] < adapter.snr_db[1]
    assert {name for name, _ in whole.parameters(system)} == faithful(learned(system))
    assert whole.final_learning_rate < whole.learning_rate
    assert all(stage.batch_size == 16 and stage.crop == 256 for stage in PAPER_STAGES)
    assert whole.steps * 16 == 20 * 50_000  # 20 epochs of 50,000 images


def test_every_parameter_is_trained_before_the_last_stage(system):
    names = {name for stage in SMALL_STAGES[:-2] for name, _ in stage.parameters(system)}
    assert names == faithful(learned(system))
    realism = {name for name, _ in SMALL_STAGES[-1].parameters(system)}
    assert realism == learned(system) - names


def test_every_preset_has_a_recipe():
    assert set(RECIPES) == set(PRESETS)
