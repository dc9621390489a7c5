import math

import pytest
import torch

from jscc_ratetoken import AWGN
from lrisc_system.baselines.deepjscc.model import DeepJSCC, DeepJSCCConfig
from lrisc_system.baselines.linear.analog import analog_cbr
from lrisc_system.storage.tensors import CheckpointError

TINY = DeepJSCCConfig(reals_per_token=16, widths=(8, 16, 32, 64))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return DeepJSCC(TINY).eval()


@pytest.fixture
def image():
    return torch.rand(2, 3, 40, 52, generator=torch.Generator().manual_seed(1))


def test_five_convolutions_with_prelu_on_each_side(model):
    for side, kind in ((model.encoder, "Conv2d"), (model.decoder, "ConvTranspose2d")):
        names = [type(layer).__name__ for layer in side]
        assert names == [kind, "PReLU"] * 4 + [kind]


def test_symbols_have_unit_power(model, image):
    signal = model.send(image)
    # 40 x 52 is padded to 3 x 4 tokens; 16 reals of each are 8 symbols.
    assert signal.symbols.shape == (2, 3 * 4 * 8)
    power = signal.symbols.abs().square().mean(dim=1)
    torch.testing.assert_close(power, torch.ones(2))


def test_an_image_does_not_depend_on_its_neighbours(model, image):
    together = model.send(image).symbols
    alone = model.send(image[:1]).symbols
    torch.testing.assert_close(together[:1], alone)


def test_any_size_comes_back(model, image):
    received = model.transmit(image, torch.tensor([1.0, 19.0]))
    assert received.shape == image.shape
    assert 0 <= received.min() <= received.max() <= 1


def test_cbr_by_hand(model):
    # 2 x 2 tokens of 16 reals: 32 symbols; a byte at log2(1 + 1) = 1 bit: 8 more.
    assert model.cbr((32, 32), snr_db=0.0) == pytest.approx((32 + 8) / (3 * 32 * 32))
    assert analog_cbr((17, 1), reals_per_token=2, snr_db=0.0) == pytest.approx((2 + 8) / (3 * 17))


def test_the_receiver_shrinks_noise_by_lmmse(model):
    """Deviation 1 in noise of 1 per real number: half of what arrives, by hand."""
    received = torch.ones(1, 1, 16)
    seen = []
    model.decoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    snr_db = torch.tensor([-10 * math.log10(2)])  # a complex noise power of 2
    model.decode(received, snr_db, gain=torch.ones(1), grid=(1, 1))
    torch.testing.assert_close(seen[0].flatten(), torch.full((16,), 0.5))


def test_everything_gets_a_gradient(model):
    image = torch.rand(2, 3, 32, 32)
    snr_db = torch.tensor([5.0, 15.0])
    model(image, snr_db, channel=AWGN()).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_saved_model_comes_back(model, image, tmp_path):
    model.save_pretrained(tmp_path / "model")
    loaded = DeepJSCC.from_pretrained(tmp_path / "model")
    assert loaded.config == TINY
    assert torch.equal(loaded.send(image).symbols, model.send(image).symbols)
    model.save_pretrained(tmp_path / "half", dtype=torch.float16)
    half = (tmp_path / "half" / "model.safetensors").stat().st_size
    assert half < 0.6 * (tmp_path / "model" / "model.safetensors").stat().st_size


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"expected a checkpoint folder with config\.json"):
        DeepJSCC.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"depth": 3}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"config\.json: not a config of DeepJSCC"):
        DeepJSCC.from_pretrained(tmp_path)


@pytest.mark.parametrize("reals", [0, 3, 258])
def test_reals_out_of_range_are_refused(reals):
    with pytest.raises(ValueError, match=rf"even reals_per_token in 2..256, got {reals}"):
        DeepJSCCConfig(reals_per_token=reals)


def test_widths_out_of_range_are_refused():
    with pytest.raises(ValueError, match="expected four widths"):
        DeepJSCCConfig(widths=(8, 8, 8))
