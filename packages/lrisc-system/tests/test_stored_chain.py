import pytest
import torch

from lrisc_system.config import TINY
from lrisc_system.decoders import SynthesisDecoder
from lrisc_system.system import LRISC


def test_a_config_makes_the_model_again():
    text = LRISC(TINY).config_json()
    assert LRISC.from_config_json(text, expected_preset="tiny").config == TINY
    decoder = SynthesisDecoder(torch.nn.Identity())
    assert LRISC.from_config_json(text, decoder=decoder).decoder is decoder
    made = LRISC(TINY)
    assert LRISC.from_config_json(text, make_model=lambda config: made) is made


def test_another_config_is_refused():
    with pytest.raises(ValueError, match="not a checkpoint of the preset 'small'"):
        LRISC.from_config_json(LRISC(TINY).config_json(), expected_preset="small")
    with pytest.raises(ValueError, match="not a config of LRISC"):
        LRISC.from_config_json("{}")


def test_the_prior_of_z_keeps_its_precision():
    model = LRISC(TINY)
    stored = model.stored_tensors(dtype=torch.float16)
    assert stored["g_a.linear.weight"].dtype == torch.float16
    prior = [name for name in stored if name.startswith("hyperprior.bottleneck.matrices")]
    assert prior
    assert all(stored[name].dtype == torch.float32 for name in prior)
    assert model.g_a.linear.weight.dtype == torch.float32
