import pytest

from lrisc_system.training.recipes import (
    Recipe,
    Stage,
    find_preset,
    select_parts,
)


def test_a_recipe_is_looked_up_by_name():
    assert find_preset("b", {"a": 1, "b": 2}) == 2
    with pytest.raises(ValueError, match=r"expected a preset of \['a', 'b'\], got 'huge'"):
        find_preset("huge", {"b": 2, "a": 1})


def test_stages_are_narrowed_to_parts():
    (early, late) = select_parts(
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
    assert list(select_parts([early, late], ("",))) == [early, late]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainable": ()}, "expected trainable parts in stage 's', got none"),
        ({"clean_share": 1.5}, r"clean_share in \[0, 1\], got 1.5"),
        ({"steps": 0}, "steps of at least 1, got 0"),
        ({"batch_size": -1}, "batch_size of at least 1, got -1"),
        ({"rate_warmup": -1}, "rate_warmup of at least 0, got -1"),
        ({"learning_rate": 0.0}, "learning_rate above 0, got 0"),
        ({"final_learning_rate": float("nan")}, "final_learning_rate above 0, got nan"),
        ({"snr_db": (20.0, 0.0)}, "snr_db as a range, low to high, got 20 to 0"),
        ({"eta": (0.0, 1.0)}, "eta as a range above 0, low to high, got 0 to 1"),
        ({"eta": (1.0, float("inf"))}, "eta as a range above 0, low to high, got 1 to inf"),
        ({"alpha": (3.0, 3.0)}, "alpha as a range above 0, to 1, low to high, got 3 to 3"),
        ({"snr_db": (float("nan"), 3.0)}, "snr_db as a range, low to high, got nan to 3"),
        ({"steps": 10**13}, r"steps of at most 1,000,000,000,000, got 1e\+13"),
    ],
)
def test_a_stage_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        Stage(**{"name": "s", "trainable": ("",), **change})


STAGE = Stage("s", trainable=("",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": ()}, "at least one stage, got none"),
        ({"stages": (STAGE, STAGE)}, r"stages of different names, got \['s', 's'\]"),
        ({"lambda_rate": -1.0}, "lambda_rate of at least 0, got -1"),
        ({"perceptual": ()}, "at least one network in perceptual"),
        ({"perceptual": ("alex", "squeeze")}, "perceptual of alex, vgg, got alex, squeeze"),
        ({"magnification": 0}, "magnification of at least 1, got 0"),
        ({"average_decay": 1.0}, r"average_decay in \[0, 1\), got 1"),
    ],
)
def test_a_recipe_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{"stages": (STAGE,), **change})
